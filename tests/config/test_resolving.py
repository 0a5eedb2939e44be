"""What a configuration means: targets, pins, platforms, trust, limits."""

from pathlib import Path

import pytest

from image_sync import config
from image_sync.model import TlsPolicy
from tests.config.support import (
    complaints,
    loaded,
    resolved,
    with_images,
    with_registries,
    with_settings,
)

_HEX = "a" * 64
_VERIFY, _LENIENT, _PLAIN = TlsPolicy.VERIFY, TlsPolicy.LENIENT, TlsPolicy.PLAIN


@pytest.mark.parametrize(
    ("source", "strip", "prefixed"),
    [
        ("nginx", "nginx", "docker.io/library/nginx"),
        ("a/b", "a/b", "docker.io/a/b"),
        ("docker.io/nginx", "nginx", "docker.io/library/nginx"),
        ("docker.io/library/nginx", "library/nginx", "docker.io/library/nginx"),
        ("Docker.io/library/nginx", "library/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io/a/b", "a/b", "docker.io/a/b"),
        ("index.docker.io/a/b", "index.docker.io/a/b", "docker.io/a/b"),
        ("ghcr.io/a/b", "a/b", "ghcr.io/a/b"),
        ("quay.io/a/b", "quay.io/a/b", "quay.io/a/b"),
        ("localhost/b", "localhost/b", "localhost/b"),
        ("localhost:5000/a/b", "localhost_5000/a/b", "localhost_5000/a/b"),
        ("quay.io:443/a", "quay.io_443/a", "quay.io/a"),
    ],
)
def test_the_path_in_the_cache_follows_from_the_source(
    source: str, strip: str, prefixed: str
) -> None:
    """Under `strip` from the text as written, under `prefixed` from what it means."""
    text = with_images(f"{{source: '{source}', tag: 1}}")
    (spec,) = resolved(text).specs
    assert spec.target.repository.path == strip
    (spec,) = resolved(f"{text}settings: {{path_style: prefixed}}").specs
    assert spec.target.repository.path == prefixed
    assert spec.image == source


def test_the_prefix_of_the_cache_stands_before_every_path() -> None:
    """Derived or given, a path is below the prefix; so is the ledger."""
    text = """\
        cache_registry: Zot.svc:5000/team/x
        images: [quay.io/a/b:1, {source: c/d, tag: 1, cache_as: e}]
        """
    result = resolved(text)
    targets = [str(spec.target_reference) for spec in result.specs]
    assert targets == ["zot.svc:5000/team/x/quay.io/a/b:1", "zot.svc:5000/team/x/e:1"]
    assert str(result.cache.ledger.repository) == "zot.svc:5000/team/x/image-sync/ledger"
    assert result.cache.ledger.tls is _LENIENT


@pytest.mark.parametrize(
    ("tag", "source_tag", "pin", "target_tag"),
    [
        ("1.27", "1.27", None, "1.27"),
        (f"1.27@sha256:{_HEX}", "1.27", f"sha256:{_HEX}", "1.27"),
        (f"sha256:{_HEX}", None, f"sha256:{_HEX}", f"pinned.sha256.{_HEX}"),
    ],
)
@pytest.mark.parametrize("form", ["long", "short"])
def test_a_tag_says_what_to_ask_for_and_where_to_keep_it(
    tag: str, source_tag: str | None, pin: str | None, target_tag: str, form: str
) -> None:
    """A pin is kept under its tag, a bare digest under a tag that no cleaning takes away."""
    separator = "@" if source_tag is None else ":"
    images = {
        "short": f"quay.io/a/b{separator}{tag}",
        "long": f"{{source: quay.io/a/b, tag: '{tag}'}}",
    }
    (spec,) = resolved(with_images(images[form])).specs
    assert (spec.image, spec.tag) == ("quay.io/a/b", tag)
    assert (spec.source_tag, spec.target_tag) == (source_tag, target_tag)
    assert (str(spec.pin) if spec.pin else None) == pin


def test_tags_are_specs_in_their_order() -> None:
    """One image with several tags is as many specs."""
    text = with_images("{source: a/b, tags: [3, 1.20, latest]}", "a/c:1")
    assert [str(spec) for spec in resolved(text).specs] == [
        "a/b:3",
        "a/b:1.20",
        "a/b:latest",
        "a/c:1",
    ]


def test_platforms_come_from_the_image_else_from_the_settings() -> None:
    """A platform, a list or all; normalised."""
    text = """\
        cache_registry: zot.svc:5000
        settings: {default_platform: [linux/arm, linux/amd64]}
        images:
          - a/b:1
          - {source: a/c, tag: 1, platform: linux/arm64/v8}
          - {source: a/d, tag: 1, platform: all}
        """
    platforms = [str(spec.platforms) for spec in resolved(text).specs]
    assert platforms == ["linux/amd64,linux/arm/v7", "linux/arm64", "all"]


@pytest.mark.parametrize(
    ("image", "registry", "setting", "expected"),
    [
        ("", "", "", _VERIFY),
        ("", "", "source_tls_verify: false", _LENIENT),
        ("", "tls_verify: true", "source_tls_verify: false", _VERIFY),
        ("", "tls_verify: false", "", _LENIENT),
        ("", "plain_http: true", "", _PLAIN),
        ("", "plain_http: false", "", _VERIFY),
        ("source_tls_verify: true", "tls_verify: false", "source_tls_verify: false", _VERIFY),
        ("source_tls_verify: false", "tls_verify: true", "", _LENIENT),
        ("source_tls_verify: true", "plain_http: true", "", _VERIFY),
        ("source_tls_verify: false", "plain_http: true", "", _PLAIN),
    ],
)
def test_trust_in_a_source_is_image_then_registry_then_settings(
    image: str, registry: str, setting: str, expected: TlsPolicy
) -> None:
    """The nearest word on TLS counts."""
    extra = f", {image}" if image else ""
    text = with_images(f"{{source: quay.io/a/b, tag: 1{extra}}}")
    text += f"settings: {{{setting}}}\nregistries: {{quay.io: {{{registry}}}}}\n"
    assert resolved(text).specs[0].source.tls is expected


@pytest.mark.parametrize(
    ("image", "registry", "setting", "expected", "ledger"),
    [
        ("", "", "", _LENIENT, _LENIENT),
        ("", "", "cache_insecure: false", _VERIFY, _VERIFY),
        ("", "tls_verify: true", "", _VERIFY, _VERIFY),
        ("", "plain_http: true", "", _PLAIN, _PLAIN),
        ("cache_insecure: true", "tls_verify: true", "", _LENIENT, _VERIFY),
        ("cache_insecure: false", "plain_http: true", "", _VERIFY, _PLAIN),
    ],
)
def test_trust_in_the_cache_is_image_then_registry_then_settings(
    image: str, registry: str, setting: str, expected: TlsPolicy, ledger: TlsPolicy
) -> None:
    """The same on the other side; the ledger has no image and goes by the rest."""
    extra = f", {image}" if image else ""
    text = with_images(f"{{source: quay.io/a/b, tag: 1{extra}}}")
    text += f"settings: {{{setting}}}\nregistries: {{'zot.svc:5000': {{{registry}}}}}\n"
    result = resolved(text)
    assert result.specs[0].target.tls is expected
    assert result.cache.tls is ledger


def test_an_embedded_cache_is_told_apart() -> None:
    """Both ways to ask for it give its address and its options."""
    short = resolved("cache_registry: embedded\nimages: [a/b:1]")
    assert short.cache.embedded == config.EmbeddedEntry()
    assert str(short.specs[0].target_reference) == "127.0.0.1:5050/a/b:1"
    assert short.specs[0].target.tls is _PLAIN
    long = resolved("cache_registry: {path: /srv, listen: '[::1]:5051'}\nimages: []")
    assert long.cache.embedded == config.EmbeddedEntry(path="/srv", listen="[::1]:5051")
    assert long.cache.host == "[::1]:5051"
    assert resolved(with_images("a/b:1")).cache.embedded is None


def test_the_folder_of_an_embedded_cache_is_found_as_other_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the file that names it, else to where one is; `~` is the home folder."""
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "etc" / "c.yaml"
    file.parent.mkdir()
    for written, meant in (
        ("images", tmp_path / "etc" / "images"),
        ("~/images", Path("/home/ann/images")),
        ("/srv/images", Path("/srv/images")),
    ):
        file.write_text(f"cache_registry: {{path: {written}}}\nimages: []\n", encoding="utf-8")
        found = config.resolve(config.load(str(file), environ={})).cache.embedded
        assert found == config.EmbeddedEntry(path=str(meant))
    flag = config.Override("cache_registry", "{path: images}", "--cache")
    named = config.resolve(config.from_arguments(["a/b:1"], environ={}, overrides=[flag]))
    assert named.cache.embedded == config.EmbeddedEntry(path=str(tmp_path / "images"))
    (line,) = complaints("cache_registry: {path: ~nobody-of-that-name/x}\nimages: []")
    assert line.startswith("<stdin>:1:24: cache_registry.path: ~nobody-of-that-name/x: ")


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        pytest.param("0.0.0.0:5050", "image-sync serve with --auth-file", id="everywhere"),
        pytest.param(":5050", "can be reached from other machines", id="every-address"),
        pytest.param("192.168.1.5:5050", "name its address as cache_registry", id="network"),
        pytest.param("127.0.0.1:0", "has another port at each start", id="any-port"),
        pytest.param("none", "must listen: expected HOST:PORT", id="nowhere"),
        pytest.param("5050", "did you mean :5050?", id="port-alone"),
    ],
)
def test_an_embedded_cache_listens_where_only_this_machine_finds_it(
    listen: str, words: str
) -> None:
    """Whoever reaches it can change it; and the next pass has to find it again."""
    (line,) = complaints(f"cache_registry: {{listen: '{listen}'}}\nimages: [a/b:1]")
    assert line.startswith("<stdin>:1:26: cache_registry.listen: ")
    assert words in line


def test_a_misspelled_embedded_is_found_out() -> None:
    """It would be a host that does not exist."""
    for written in ("embeded", "Embedded"):
        (line,) = complaints(f"cache_registry: {written}\nimages: []")
        assert line.endswith("(did you mean embedded?)")


def test_images_are_kept_under_what_is_written_also_in_an_embedded_cache() -> None:
    """A short name stays short: who writes `nginx` pulls `nginx`."""
    names = {
        "docker.io/library/nginx:1.27": "library/nginx:1.27",
        "nginx:1": "nginx:1",
        "bitnami/redis:1": "bitnami/redis:1",
        "ghcr.io/a/b:1": "a/b:1",
        "quay.io/a/b:1": "quay.io/a/b:1",
    }
    found = resolved("cache_registry: embedded\nimages: [" + ", ".join(names) + "]").specs
    assert [str(spec.target_reference) for spec in found] == [
        f"127.0.0.1:5050/{name}" for name in names.values()
    ]


def test_hosts_are_known_by_their_canonical_names() -> None:
    """Whatever name Docker Hub or `:443` is written with, the policy is found."""
    text = with_registries(
        "Registry-1.docker.io: {reserve_pulls: 10}",
        "quay.io:443: {concurrency: 3, realm_hosts: [Sso.example.com:443]}",
        "ghcr.io:",
    )
    hosts = resolved(text).hosts
    assert set(hosts) == {"docker.io", "quay.io", "ghcr.io"}
    assert hosts["docker.io"].reserve_pulls == 10
    assert hosts["quay.io"].concurrency == 3
    assert hosts["quay.io"].realm_hosts == ("sso.example.com",)


def test_rates_and_reserves_are_shared_among_shards() -> None:
    """Together the shards stay within what one process may do; reserves round up."""
    text = with_registries("quay.io: {requests_per_second: 9, reserve_pulls: 10, concurrency: 8}")
    hosts = resolved(text, shards=4).hosts
    quay = hosts["quay.io"]
    assert (quay.requests_per_second, quay.reserve_pulls, quay.concurrency) == (2.25, 3, 8)
    assert hosts["docker.io"].requests_per_second == 6.25


def test_docker_hub_is_spared_unless_told() -> None:
    """25 requests a second, named in the configuration or not."""
    assert resolved("cache_registry: a.b\nimages: []").hosts["docker.io"].requests_per_second == 25
    named = resolved(with_registries("docker.io: {concurrency: 2}"))
    assert named.hosts["docker.io"].requests_per_second == 25
    told = resolved(with_registries("docker.io: {requests_per_second: 90}"))
    assert told.hosts["docker.io"].requests_per_second == 90


def test_no_images_is_a_warning() -> None:
    """An empty list is allowed, and said; so is one that was commented out."""
    for images in ("[]", ""):
        result = resolved(f"cache_registry: a.b\nimages: {images}")
        assert result.warnings == ("images is empty: there is nothing to keep fresh",)
    assert resolved(with_images("a/b:1")).warnings == ()


def test_file_names_are_relative_to_the_file_they_stand_in(tmp_path: Path) -> None:
    """A configuration can be moved together with what it names."""
    (tmp_path / "auth.json").write_text("{}")
    (tmp_path / "ca.pem").write_text("")
    path = tmp_path / "config.yaml"
    path.write_text(
        with_settings(auth_files="[auth.json]", ledger="./ledger.json")
        + "registries: {quay.io: {ca_file: ca.pem}}\n"
    )
    result = config.resolve(config.load(str(path), environ={}))
    assert result.settings.auth_files == (str(tmp_path / "auth.json"),)
    assert result.settings.ledger == str(tmp_path / "ledger.json")
    assert result.hosts["quay.io"].ca_file == str(tmp_path / "ca.pem")


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~/` is what it is in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "auth.json").write_text("{}")
    result = config.resolve(loaded(with_settings(auth_files="[~/auth.json]")))
    assert result.settings.auth_files == (str(tmp_path / "auth.json"),)


def test_anchors_live_under_x_keys() -> None:
    """What images share is written once."""
    text = """\
        x-arm: &arm
          platform: linux/arm64
        cache_registry: zot.svc:5000
        images:
          - {source: a/b, tag: 1.20, <<: *arm}
        """
    (spec,) = resolved(text).specs
    assert (str(spec.platforms), spec.tag) == ("linux/arm64", "1.20")


def test_a_path_longer_than_registries_take_is_refused() -> None:
    """255 characters of host and repository: what Docker takes."""
    (line,) = complaints(with_images(f"{{source: a/b, tag: 1, cache_as: {'x' * 250}}}"))
    assert "its repository in the cache exceeds 255 characters" in line
