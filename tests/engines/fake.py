"""Fake tools on PATH: shell scripts that tell a version and then do what a test wants."""

import msgspec

from tests.engines.support import Setup

FIT = {"crane": "v0.22.1", "skopeo": "skopeo version 1.18.0"}
NAMES = tuple(FIT)

_SCRIPT = """#!/bin/sh
note={notes}
case "$1" in version|--version) echo probed >> "$note/probes"; {version}; exit;; esac
{body}
"""
_RECORD = """
printf '%s\\n' "$@" > "$note/argv"
tr '\\0' '\\n' < /proc/$$/environ > "$note/environ"
tr '\\0' '\\n' < /proc/$$/cmdline > "$note/cmdline"
pwd > "$note/cwd"
cd "$HOME/.." && find . -printf '%m %p\\n' > "$note/files" && cp -r . "$note/folder"
cd "$HOME/../work"
"""


class FakeTool(msgspec.Struct):
    """A fake that is installed; what it saw can be read afterwards."""

    setup: Setup
    name: str

    def install(self, body: str, *, version: str | None = None, record: bool = False) -> None:
        """Put it on PATH.

        Args:
            body: Shell lines for a copy.
            version: Shell lines that tell its version; a fit one by default.
            record: Note argv, environment, /proc and the files it can see first.
        """
        script = self.setup.bin / self.name
        notes = self.setup.bin.parent / "notes"
        notes.mkdir(exist_ok=True)
        text = _SCRIPT.format(
            notes=notes,
            version=version or f"echo {FIT[self.name]}",
            body=(_RECORD if record else "") + body,
        )
        script.unlink(missing_ok=True)
        script.write_text(text)
        script.chmod(0o755)

    def note(self, name: str) -> str:
        """What it noted."""
        return (self.setup.bin.parent / "notes" / name).read_text()

    def lines(self, name: str) -> list[str]:
        return self.note(name).splitlines()

    def files(self, pattern: str) -> str:
        """The content of files it was given, joined."""
        folder = self.setup.bin.parent / "notes" / "folder"
        return "\n".join(file.read_text() for file in sorted(folder.rglob(pattern)))
