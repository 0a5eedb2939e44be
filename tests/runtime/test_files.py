"""Files are whole or absent; private folders are private and do not stay."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from image_sync.runtime import files
from image_sync.runtime.files import (
    private_folder,
    remove_private_folders,
    sweep_private_folders,
    write_atomic,
    write_private,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("before", [None, b"old"], ids=["new", "replaced"])
def test_a_file_is_written_whole(tmp_path: Path, before: bytes | None) -> None:
    """The new content is there, with the wanted mode, and nothing beside it."""
    path = tmp_path / "ledger.json"
    if before is not None:
        path.write_bytes(before)
    write_atomic(path, b"new", mode=0o640)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names(tmp_path) == ["ledger.json"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """A full disk costs the new content, never the old (fault row 69)."""
    path = tmp_path / "ledger.json"
    path.write_bytes(b"old")
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from image_sync.runtime.files import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomic(Path(sys.argv[1]), b'x' * 5000)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", script, path], env=environment, capture_output=True, check=False
    )
    assert b"File too large" in done.stderr
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["ledger.json"]


def test_a_private_file_is_nobody_elses(tmp_path: Path) -> None:
    """Only its owner reads it, and it never takes another file's place."""
    path = tmp_path / "config.json"
    write_private(path, b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_private(path, b"other")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "link", b"secret")
    assert path.read_bytes() == b"secret"


def test_a_private_folder_is_entered_by_its_owner_and_does_not_stay(tmp_path: Path) -> None:
    """Mode 0700 while it lasts; gone afterwards, also after an error, with all in it."""
    with pytest.raises(KeyError), private_folder(tmp_path) as folder:  # noqa: PT012 - its body
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "below").mkdir()
        write_private(folder / "below" / "secret", b"secret")
        raise KeyError
    assert names(tmp_path) == []


def test_all_private_folders_are_removed_at_once(tmp_path: Path) -> None:
    """Those in use, with all they hold, and none but ours; leaving them afterwards is no error."""
    (tmp_path / "image-sync-notes").mkdir()
    with private_folder(tmp_path) as one, private_folder(tmp_path) as other:
        (one / "home").mkdir()
        write_private(one / "home" / "secret", b"secret")
        remove_private_folders()
        assert not one.exists()
        assert not other.exists()
        remove_private_folders()
    assert names(tmp_path) == ["image-sync-notes"]
    assert not files._in_use


def test_folders_of_the_killed_are_swept_and_those_in_use_are_not(tmp_path: Path) -> None:
    """What kill -9 left behind goes at the next start, secrets and all."""
    script = (
        "import sys; from pathlib import Path\n"
        "from image_sync.runtime.files import private_folder, write_private\n"
        "with private_folder(Path(sys.argv[1])) as folder:\n"
        "    write_private(folder / 'secret', b'secret')\n"
        "    print(folder, flush=True); sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with (
        private_folder(tmp_path) as used,
        subprocess.Popen(
            [sys.executable, "-c", script, tmp_path],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child,
    ):
        assert child.stdout is not None
        left = Path(child.stdout.readline().decode().strip())
        assert sweep_private_folders(tmp_path) == 0
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert (left / "secret").exists()
        assert sweep_private_folders(tmp_path) == 1
        assert not left.exists()
        assert used.exists()


def test_the_sweep_touches_nothing_else(tmp_path: Path) -> None:
    """Names alike, foreign files and links are left alone."""
    (tmp_path / "image-sync-notes").mkdir()
    (tmp_path / "image-sync-file").write_text("mine")
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / files._LOCK).touch()
    (tmp_path / "image-sync-link").symlink_to(tmp_path / "victim")
    assert sweep_private_folders(tmp_path) == 0
    assert sweep_private_folders(tmp_path / "absent") == 0
    assert len(names(tmp_path)) == 4
    assert (tmp_path / "victim" / files._LOCK).exists()
