"""Flags over environment over file over defaults, and strict about names."""

import pytest

from image_sync import config
from image_sync.errors import ConfigError
from tests.config.support import complaints, loaded, with_settings

_TEXT = with_settings(concurrency="3", pull_timeout_secs="30")


def test_each_layer_wins_over_the_one_below() -> None:
    """A flag beats a variable, a variable the file, the file the default; origins say which."""
    result = loaded(
        _TEXT,
        {"IMAGE_SYNC_SETTINGS__CONCURRENCY": "4", "IMAGE_SYNC_SETTINGS__LEDGER": "/var/l"},
        [config.Override("settings.ledger", "none", "--no-ledger")],
    )
    settings = result.config.settings
    assert (settings.concurrency, settings.pull_timeout_secs, settings.ledger) == (4, 30, "none")
    assert settings.check_concurrency == 64
    names = ("concurrency", "pull_timeout_secs", "ledger", "check_concurrency")
    origins = [str(result.origins.get(f"settings.{name}", "default")) for name in names]
    assert origins == ["IMAGE_SYNC_SETTINGS__CONCURRENCY", "<stdin>:5:22", "--no-ledger", "default"]


def test_a_variable_can_stand_for_what_the_file_leaves_out() -> None:
    """The cache may come from the environment alone."""
    result = loaded("images: []", {"IMAGE_SYNC_CACHE_REGISTRY": "zot.svc:5000"})
    assert result.config.cache_registry == "zot.svc:5000"


def test_values_are_yaml_scalars_or_flow() -> None:
    """Numbers, truth values, lists and mappings read as in the file."""
    result = loaded(
        _TEXT,
        {
            "IMAGE_SYNC_SETTINGS__SKIP_ON_ERROR": "true",
            "IMAGE_SYNC_SETTINGS__DEFAULT_PLATFORM": "[linux/amd64, linux/arm64]",
            "IMAGE_SYNC_CACHE_REGISTRY": "{path: /srv, listen: '127.0.0.1:5051'}",
            "IMAGE_SYNC_SETTINGS__CONCURRENCY": " 8\n",
        },
    ).config
    assert result.settings.skip_on_error
    assert result.settings.concurrency == 8
    assert result.settings.default_platform == ("linux/amd64", "linux/arm64")
    assert result.cache_registry == config.EmbeddedEntry(path="/srv", listen="127.0.0.1:5051")


def test_a_variable_can_name_a_setting_within_another() -> None:
    """Two underscores for every level; the rest of the inner one keeps its defaults."""
    settings = loaded(
        _TEXT,
        {
            "IMAGE_SYNC_SETTINGS__SERVER__LISTEN": ":9090",
            "IMAGE_SYNC_SETTINGS__LEASE__NAME": "one-of-three",
            "IMAGE_SYNC_SETTINGS__LEASE__DURATION_SECS": "30",
        },
    ).config.settings
    assert settings.server.listen == ":9090"
    assert settings.lease == config.LeaseEntry(name="one-of-three", duration_secs=30)


def test_a_variable_within_another_beats_the_file_for_itself_only() -> None:
    """What stands beside it in the file stays."""
    text = with_settings(lease="{name: here, namespace: there}")
    lease = loaded(text, {"IMAGE_SYNC_SETTINGS__LEASE__NAME": "other"}).config.settings.lease
    assert lease == config.LeaseEntry(name="other", namespace="there")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("IMAGE_SYNC_SETTINGS__SERVER__LISTN", "x", "IMAGE_SYNC_SETTINGS__SERVER__LISTEN"),
        ("IMAGE_SYNC_SETTINGS__SERVER_LISTEN", "x", "IMAGE_SYNC_SETTINGS__SERVER__LISTEN"),
        ("IMAGE_SYNC_SETTINGS__LEASE__DURATION_SECS", "1", "settings.lease.duration_secs"),
        ("IMAGE_SYNC_SETTINGS__LEASE__DURATION_SECS", "30", "settings.lease"),
    ],
)
def test_what_is_wrong_within_another_setting_is_told(name: str, value: str, expected: str) -> None:
    """A typo, a wrong value, a required one that is missing."""
    lines = complaints(_TEXT, {name: value})
    assert any(expected in line for line in lines)


@pytest.mark.parametrize("text", ["server: none", "server: [1]", "server: null"])
def test_a_variable_within_a_setting_that_the_file_has_wrong_hides_nothing(text: str) -> None:
    """The file is wrong all the same, or is nothing there."""
    whole = f"cache_registry: zot.svc:5000\nimages: []\nsettings: {{{text}}}\n"
    lines = complaints(whole, {"IMAGE_SYNC_SETTINGS__SERVER__LISTEN": ":9090"})
    assert lines == complaints(whole)


def test_an_empty_variable_is_not_set() -> None:
    """What a template left empty changes nothing."""
    assert loaded(_TEXT, {"IMAGE_SYNC_SETTINGS__CONCURRENCY": ""}).config.settings.concurrency == 3


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("IMAGE_SYNC_SETTINGS__CONCURENCY", "(did you mean IMAGE_SYNC_SETTINGS__CONCURRENCY?)"),
        ("IMAGE_SYNC_SETTINGS_CONCURRENCY", "(did you mean IMAGE_SYNC_SETTINGS__CONCURRENCY?)"),
        ("IMAGE_SYNC__SETTINGS__LEDGER", "(did you mean IMAGE_SYNC_SETTINGS__LEDGER?)"),
        ("IMAGE_SYNC_LOGLEVEL", "(did you mean IMAGE_SYNC_LOG_LEVEL?)"),
        ("IMAGE_SYNC_REGISTRIES__QUAY", "images and registries are set in the file only"),
        ("IMAGE_SYNC_IMAGES", "images and registries are set in the file only"),
        ("IMAGE_SYNC_X\x1b", "IMAGE_SYNC_X\\x1b: unknown variable"),
    ],
)
def test_an_unknown_variable_is_an_error_with_a_suggestion(name: str, hint: str) -> None:
    """A typo in a variable is not a setting that silently has no effect."""
    (line,) = complaints(_TEXT, {name: "s3cret"})
    assert hint in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    "name",
    [
        "IMAGE_SYNC_PORT",
        "IMAGE_SYNC_SERVICE_HOST",
        "IMAGE_SYNC_SERVICE_PORT",
        "IMAGE_SYNC_SERVICE_PORT_METRICS",
        "IMAGE_SYNC_PORT_8080_TCP",
        "IMAGE_SYNC_PORT_8080_TCP_ADDR",
        "IMAGE_SYNC_METRICS_SERVICE_HOST",
        "IMAGE_SYNC_METRICS_PORT_9090_TCP_PROTO",
        "IMAGE_SYNC_CONFIG",
        "IMAGE_SYNC_LOG_LEVEL",
        "IMAGE_SYNC_LOG_FORMAT",
        "IMAGE_SYNCER",
        "PATH",
    ],
)
def test_service_links_and_variables_of_others_are_left_alone(name: str) -> None:
    """A Service called image-sync or image-sync-metrics does not stop us from starting."""
    assert complaints(_TEXT, {name: "tcp://10.0.0.1:80"}) == []


def test_a_wrong_value_names_its_variable() -> None:
    """The place of a value from the environment is the variable's name."""
    (line,) = complaints(_TEXT, {"IMAGE_SYNC_SETTINGS__CONCURRENCY": "many"})
    assert line.startswith("IMAGE_SYNC_SETTINGS__CONCURRENCY: settings.concurrency: found 'many'")
    (line,) = complaints(_TEXT, {"IMAGE_SYNC_SETTINGS__AUTH_FILES": "[a"})
    assert line.startswith("IMAGE_SYNC_SETTINGS__AUTH_FILES:1:1: not valid YAML")


def test_images_on_the_command_line_need_no_file() -> None:
    """References as people write them; the cache is a flag, a variable, or embedded."""
    references = [
        "docker.io/library/nginx:1.27",
        f"ghcr.io/a/b@sha256:{'a' * 64}",
        "localhost:5000/c",
    ]
    cache = config.Override("cache_registry", "zot.svc:5000", "--cache")
    specs = config.resolve(config.from_arguments(references, environ={}, overrides=[cache])).specs
    assert [str(spec.target_reference) for spec in specs] == [
        "zot.svc:5000/library/nginx:1.27",
        f"zot.svc:5000/a/b:pinned.sha256.{'a' * 64}",
        "zot.svc:5000/localhost_5000/c:latest",
    ]
    alone = config.resolve(config.from_arguments(references, environ={}))
    assert alone.cache.embedded == config.EmbeddedEntry()


def test_an_embedded_cache_can_be_asked_for_above_a_file() -> None:
    """By a flag or a variable, in place of what the file names."""
    flag = [config.Override("cache_registry", "embedded", "--cache")]
    for result in (
        loaded(_TEXT, {}, flag),
        loaded(_TEXT, {"IMAGE_SYNC_CACHE_REGISTRY": "embedded"}),
    ):
        assert config.resolve(result).cache.embedded == config.EmbeddedEntry()


def test_a_wrong_argument_is_named_by_its_number() -> None:
    """Arguments have places, too."""
    loaded_arguments = config.from_arguments(["a/b:1", "A/b:1", "a/b:1"], environ={})
    with pytest.raises(ConfigError) as caught:
        config.resolve(loaded_arguments)
    assert [problem.where for problem in caught.value.problems] == ["argument 2", "argument 3"]
