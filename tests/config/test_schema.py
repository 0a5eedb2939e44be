"""The JSON Schema says what the loader says, as far as a schema can; the reference is complete."""

import json
from importlib import resources

import jsonschema
import pytest
import yaml

from image_sync import config
from tests.config.support import complaints, with_images, with_registries, with_settings

_DIGEST = f"sha256:{'a' * 64}"
_SCHEMA = json.loads(config.schema_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


def test_the_shipped_schema_is_current() -> None:
    """If this fails: `python -m image_sync config schema > image_sync/config/schema.json`."""
    shipped = resources.files("image_sync.config").joinpath("schema.json").read_text("utf-8")
    assert shipped == config.schema_text()


def test_the_schema_is_one() -> None:
    """It follows its own dialect."""
    jsonschema.Draft202012Validator.check_schema(_SCHEMA)


_GOOD = [
    with_images(),
    with_images("a/b:1", f"a/b@{_DIGEST}", f"quay.io/a/b:1@{_DIGEST}", "localhost:5000/a:1"),
    with_images("{source: a/b, tag: 1.20}", "{source: a/c, tags: [1, 1.30, x]}"),
    with_images("{source: a/b, tag: 1, platform: [linux/amd64], cache_as: null}"),
    with_images("{source: a/b, tag: 1, platform: all, cache_insecure: false}"),
    "cache_registry: embedded\nimages:\nsettings:\nregistries:\n",
    "cache_registry: {path: /x, listen: '127.0.0.1:1'}\nimages: []\n",
    "x-a: {b: [1]}\ncache_registry: a.b\nimages: []\n",
    with_settings(concurrency="8", pass_timeout_secs="60", skip_on_error="true", ledger="/a/b"),
    with_settings(pass_timeout_secs="", preferred_tool="skopeo", path_style="prefixed"),
    with_settings(proxy="http://proxy:3128", default_platform="[linux/amd64, linux/arm64]"),
    with_registries("quay.io: {requests_per_second: 2.5, reserve_pulls: 0}", "a.b:"),
    with_registries("a.b: {plain_http: true, realm_hosts: [c.d], concurrency: null}"),
]
_BAD = [
    "cache_registry: a.b\n",
    "images: []\n",
    "cache_registry: a.b\nimages: {}\n",
    "cache_registry: ''\nimages: []\n",
    "cache_registry: 5\nimages: []\n",
    "cache_registry: {paht: /x}\nimages: []\n",
    "cache_registry: a.b\nimages: []\nimage: []\n",
    with_images("a/b"),
    with_images("5"),
    with_images("{tag: 1}"),
    with_images("{source: a/b}"),
    with_images("{source: a/b, tag: 1, tags: [1]}"),
    with_images("{source: a/b, tag: [1]}"),
    with_images("{source: a/b, tag: ''}"),
    with_images("{source: a/b, tag: 1, cache_insecure: 'yes'}"),
    with_images("{source: a/b, tag: 1, platform: {}}"),
    with_images("{source: a/b, tag: 1, sorce: x}"),
    with_settings(concurrency="0"),
    with_settings(concurrency="'8'"),
    with_settings(concurrency="true"),
    with_settings(skip_on_error="1"),
    with_settings(preferred_tool="docker"),
    with_settings(ledger="ledger.json"),
    with_settings(auth_files="a"),
    with_settings(bandwidth="1"),
    with_registries("a.b: {requests_per_second: 0}"),
    with_registries("a.b: {reserve_pulls: -1}"),
    with_registries("a.b: {realm_hosts: c.d}"),
    with_registries("a.b: {plainhttp: true}"),
    with_registries("a.b: []"),
]


@pytest.mark.parametrize("text", _GOOD)
def test_what_loads_validates(text: str) -> None:
    """An editor marks nothing that the loader takes."""
    assert complaints(text) == []
    _VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize("text", _BAD)
def test_what_does_not_load_does_not_validate(text: str) -> None:
    """An editor marks what the loader refuses."""
    assert complaints(text) != []
    assert not _VALIDATOR.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("prefix", "struct"),
    [
        ("", config.Config),
        ("images[].", config.ImageEntry),
        ("settings.", config.Settings),
        ("registries.HOST.", config.RegistryEntry),
        ("cache_registry.", config.EmbeddedEntry),
    ],
)
def test_every_key_is_in_the_reference_with_its_meaning(prefix: str, struct: type) -> None:
    """A key without a description cannot be added."""
    lines = {line.split("`")[1]: line for line in config.reference_markdown().splitlines()[2:]}
    for key in struct.__annotations__:
        cells = lines[f"{prefix}{key}"].replace("\\|", "").split("|")
        assert len(cells) == 6
        assert cells[4].strip().endswith(".")
    assert "| `settings.concurrency` | a whole number, at least 1 | `2` |" in "\n".join(
        lines.values()
    )
