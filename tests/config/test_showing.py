"""The configuration in force is shown with the origin of every value."""

from image_sync import config
from tests.config.support import loaded, with_images

_TEXT = """\
cache_registry: zot.svc:5000
images:
  - quay.io/a/b:1.20
  - source: a/c
    tags: [1, "x\\u202ey"]
settings:
  proxy: http://bob:hunter2@proxy:3128
registries:
  quay.io: {concurrency: 3, realm_hosts: [sso.x]}
"""


def test_every_value_has_its_origin() -> None:
    """File with line and column, variable, flag or default."""
    result = loaded(
        _TEXT,
        {"IMAGE_SYNC_SETTINGS__CONCURRENCY": "4"},
        [config.Override("settings.ledger", "none", "--no-ledger")],
    )
    shown = [line.strip() for line in config.show(result).splitlines()]
    assert 'cache_registry: "zot.svc:5000"  # <stdin>:1:17' in shown
    assert 'tag: "1.20"  # <stdin>:3:5' in shown
    assert '- source: "a/c"  # <stdin>:4:13' in shown
    assert "concurrency: 4  # IMAGE_SYNC_SETTINGS__CONCURRENCY" in shown
    assert 'ledger: "none"  # --no-ledger' in shown
    assert "pull_timeout_secs: 300  # default" in shown
    assert 'realm_hosts: ["sso.x"]  # <stdin>:9:42' in shown
    assert not [line for line in shown if line.startswith("pass_timeout_secs")]


def test_no_credentials_and_no_control_characters_are_shown() -> None:
    """What is wrong with a value is no reason to print it."""
    text = config.show(loaded(_TEXT))
    assert "hunter2" not in text
    assert 'proxy: "http://***@proxy:3128"  # <stdin>:7:10' in text
    assert "\u202e" not in text


def test_the_text_has_an_order_and_a_shape_people_know() -> None:
    """Keys in the order of the schema, one value a line."""
    text = config.show(loaded(with_images("a/b:1", "{source: a/c, tags: [1, 2]}")))
    assert text.splitlines()[:6] == [
        'cache_registry: "zot.svc:5000"  # <stdin>:1:17',
        "images:",
        '  - source: "a/b"  # <stdin>:3:5',
        '    tag: "1"  # <stdin>:3:5',
        '  - source: "a/c"  # <stdin>:4:14',
        '    tags: ["1", "2"]  # <stdin>:4:25',
    ]


def test_an_embedded_cache_is_shown_as_it_can_be_written() -> None:
    """By its name, or by its keys with their defaults."""
    assert config.show(loaded("cache_registry: embedded\nimages: []")).startswith(
        'cache_registry: "embedded"  # <stdin>:1:17\n'
    )
    text = config.show(loaded("cache_registry: {path: /srv}\nimages: []"))
    assert text.splitlines()[:3] == [
        "cache_registry:",
        '  path: "/srv"  # <stdin>:1:24',
        '  listen: "127.0.0.1:5050"  # default',
    ]
    assert loaded(text).config.cache_registry == config.EmbeddedEntry(path="/srv")
