"""Where the configuration is looked for, and what is said when it is not to be had."""

import io
import os
from pathlib import Path

import pytest

from image_sync import config
from image_sync.errors import ConfigError

_NOBODY = 65_534  # the user that owns nothing: nobody on Linux
_GOOD = "cache_registry: zot.svc:5000\nimages: [a/b:1]\n"


def _complaint(location: str | None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(location, environ=environ)
    return str(caught.value)


def _cache(location: str | None, **environ: str) -> object:
    return config.load(location, environ=environ).config.cache_registry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_flag_wins_over_the_variable_over_the_working_directory(folder: Path) -> None:
    """--config, then IMAGE_SYNC_CONFIG, then ./image-sync.yaml."""
    for name in ("flag.yaml", "variable.yaml", "image-sync.yaml"):
        (folder / name).write_text(f"cache_registry: {name}\nimages: []\n")
    assert _cache("flag.yaml", IMAGE_SYNC_CONFIG="variable.yaml") == "flag.yaml"
    assert _cache(None, IMAGE_SYNC_CONFIG="variable.yaml") == "variable.yaml"
    assert _cache(None, IMAGE_SYNC_CONFIG="") == "image-sync.yaml"


@pytest.mark.usefixtures("folder")
def test_without_any_file_the_ways_to_give_one_are_named() -> None:
    """Nobody has to look up how to start."""
    if Path("/etc/image-sync/config.yaml").exists():
        pytest.skip("this machine has a configuration of its own")
    text = _complaint(None)
    assert text.startswith("no configuration: name one with --config or IMAGE_SYNC_CONFIG, or")
    assert "image-sync.yaml or /etc/image-sync/config.yaml" in text


def test_a_file_that_is_not_there_is_named_with_who_named_it(folder: Path) -> None:
    """The message says which name to correct."""
    assert _complaint("a.yaml") == "a.yaml: no such file: check the name given by --config"
    assert _complaint(None, IMAGE_SYNC_CONFIG="b") == (
        "b: no such file: check the name given by IMAGE_SYNC_CONFIG"
    )
    (folder / "image-sync.yaml").symlink_to("gone")
    assert _complaint(None) == "image-sync.yaml: no such file: check the name"


def test_a_file_that_may_not_be_read_says_so(folder: Path) -> None:
    """Permissions are the operator's to mend."""
    (folder / "a.yaml").write_text(_GOOD)
    (folder / "a.yaml").chmod(0)
    root = os.geteuid() == 0
    if root:  # who reads everything, and so is nobody for a moment
        os.seteuid(_NOBODY)
    try:
        complaint = _complaint("a.yaml")
    finally:
        if root:
            os.seteuid(0)
    assert "permission denied: check the owner and mode" in complaint


def test_a_file_used_as_a_folder_says_what_the_system_says(folder: Path) -> None:
    """Other failures of the system keep its own words."""
    (folder / "a.yaml").write_text(_GOOD)
    assert _complaint("a.yaml/b.yaml") == "a.yaml/b.yaml: cannot be read: Not a directory"


def test_a_name_cannot_write_to_the_terminal() -> None:
    """Control characters and reversed text in a file name are escaped."""
    assert _complaint("\x1b[31m\u202e.yaml").startswith("\\x1b[31m\\u202e.yaml: no such file")
    assert _complaint("a\0b").startswith("a\\x00b: not a file name")


@pytest.mark.parametrize("content", ["", "# all commented out\n", "---\n"])
def test_an_empty_file_says_what_belongs_in_it(folder: Path, content: str) -> None:
    """An empty file is not an empty list of images."""
    (folder / "a.yaml").write_text(content)
    expected = "a.yaml: the file is empty: expected at least cache_registry and images"
    assert _complaint("a.yaml") == expected


@pytest.mark.parametrize("content", ["- a\n", "just words\n", "3\n"])
def test_a_file_without_keys_is_refused(folder: Path, content: str) -> None:
    """A list or a word at the top is not a configuration."""
    (folder / "a.yaml").write_text(content)
    assert _complaint("a.yaml").startswith("a.yaml:1:1: expected keys and values")


def test_standard_input_is_a_file() -> None:
    """`-` reads what is piped in, and names it in messages."""
    loaded = config.load("-", environ={}, stdin=io.BytesIO(_GOOD.encode()))
    assert loaded.files == ("<stdin>",)
    with pytest.raises(ConfigError, match=r"^<stdin>:1:1: unknown key 'imges'"):
        config.load("-", environ={}, stdin=io.BytesIO(b"imges: []"))


def test_a_pipe_is_read_like_a_file(folder: Path) -> None:
    """Process substitution, as in `--config <(helm template ...)`, works; once, so that whoever
    looks for changes leaves what is in it alone."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        stream.write(_GOOD)
    try:
        assert config.fingerprint(f"/dev/fd/{reader}", {}) is None
        assert _cache(f"/dev/fd/{reader}") == "zot.svc:5000"
    finally:
        os.close(reader)


def test_a_folder_is_read_in_the_order_of_names(folder: Path) -> None:
    """Images follow each other by file name; other files, hidden files and folders are left out."""
    (folder / "20-more.yml").write_text("images: [a/two:1]\nsettings: {concurrency: 4}\n")
    (folder / "10-base.yaml").write_text(
        "cache_registry: zot.svc:5000\nimages: [a/one:1]\nsettings: {ledger: none}\n"
        "registries: {quay.io: {concurrency: 2}}\n"
    )
    (folder / "30.yaml").write_text(
        "images: [a/three:1]\nregistries: {ghcr.io: {concurrency: 3}}\n"
    )
    (folder / "40-empty.yaml").write_text("# later\n")
    (folder / ".hidden.yaml").write_text("nonsense")
    (folder / "README.md").write_text("nonsense")
    (folder / "..data.yaml").mkdir()
    loaded = config.load(str(folder), environ={})
    assert [image.source for image in loaded.config.images] == ["a/one", "a/two", "a/three"]
    settings = loaded.config.settings
    assert (settings.concurrency, settings.ledger) == (4, "none")
    assert set(loaded.config.registries) == {"quay.io", "ghcr.io"}
    assert str(loaded.origins["images[1].tag"]) == f"{folder}/20-more.yml:1:10"


def test_a_key_in_two_files_is_an_error_that_names_both(folder: Path) -> None:
    """No file overrides another silently."""
    (folder / "a.yaml").write_text(
        "cache_registry: a.b\nimages: []\nsettings: {concurrency: 1}\nregistries: {quay.io: {}}\n"
    )
    (folder / "b.yaml").write_text(
        "cache_registry: a.c\nsettings: {concurrency: 1}\nregistries: {quay.io: {}}\n"
    )
    where = f"{folder}/a.yaml"
    twice = "stands in two files, first at"
    assert _complaint(str(folder)).splitlines() == [
        f"{folder}/b.yaml:1:1: cache_registry: {twice} {where}:1:1: keep one of them",
        f"{folder}/b.yaml:2:12: settings.concurrency: {twice} {where}:3:12: keep one of them",
        f"{folder}/b.yaml:3:14: registries.quay.io: {twice} {where}:4:14: keep one of them",
    ]


def test_every_broken_file_of_a_folder_is_named(folder: Path) -> None:
    """The first file's mistake does not hide the second's."""
    (folder / "a.yaml").write_text("a: [")
    (folder / "b.yaml").write_text("b: {")
    assert len(_complaint(str(folder)).splitlines()) == 2


def test_a_folder_without_yaml_says_so(folder: Path) -> None:
    """A wrong mount path is told from an empty list of images."""
    (folder / "config.json").write_text("{}")
    assert "the folder holds no *.yaml file" in _complaint(str(folder))
