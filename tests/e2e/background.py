"""image-sync in the background: what it logs is waited for, and it is always stopped by its pid.

Not here: how it is configured (`program.py`), and what a test does to it.
"""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from tests.e2e.program import PATIENCE, Program, Run, command

Line = Mapping[str, object]
"""One line of the log; one that is no JSON has `msg` only."""

IN_FORCE: Final = "configuration in force"
PASS_OVER: Final = "pass finished"
PULLED: Final = "pulled"
STOPPING: Final = "stopping"


class SilenceError(AssertionError):
    """What was waited for was not logged; carries the end of the log."""


class Background:
    """A running image-sync.

    Attributes:
        pid: Of image-sync, or of the program that starts it.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        assert process.stderr
        self.pid = process.pid
        self._process = process
        self._lines: list[Line] = []
        self._seen = 0
        self._news = threading.Condition()
        self._over = False
        self._text: dict[IO[str], list[str]] = {process.stdout: [], process.stderr: []}
        self._readers = [
            threading.Thread(target=self._read, args=(stream, stream is process.stderr))
            for stream in self._text
        ]
        for reader in self._readers:
            reader.start()

    def expect(self, text: str, *, patience: float = PATIENCE, **fields: object) -> Line:
        """The next line, after the last that was expected, with a text in it and these fields.

        Args:
            text: Part of its message.
            patience: Seconds to wait for it.
            fields: What it must say.

        Raises:
            SilenceError: None came.
        """
        deadline = time.monotonic() + patience
        with self._news:
            while True:
                while self._seen < len(self._lines):
                    line = self._lines[self._seen]
                    self._seen += 1
                    if text in str(line["msg"]) and fields.items() <= line.items():
                        return line
                left = deadline - time.monotonic()
                if self._over or left <= 0 or not self._news.wait(left):
                    raise SilenceError(f"no {text!r} with {fields}:\n{self.tail()}")

    def catch_up(self) -> None:
        """Expect nothing any more of what was logged until now."""
        with self._news:
            self._seen = len(self._lines)

    def lines(self) -> list[Line]:
        """All that was logged."""
        with self._news:
            return list(self._lines)

    def tail(self, count: int = 30) -> str:
        """The end of the log, for people."""
        return "\n".join(str(dict(line)) for line in self.lines()[-count:])

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(signum)

    def reload(self, program: Program) -> None:
        """Have it read the configuration, as it stands now."""
        program.config.touch()
        self.send(signal.SIGHUP)

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def finish(self, signum: signal.Signals | None = None) -> Run:
        """Send it a signal, and wait for its end."""
        if signum is not None:
            self.send(signum)
        code = self._process.wait(PATIENCE)
        return Run(code, *self._read_all())

    def kill(self) -> None:
        """End it, however it is."""
        self._process.kill()
        self._process.wait()
        self._read_all()

    def _read_all(self) -> Iterator[str]:
        """Standard output and standard error, whole."""
        for reader in self._readers:
            reader.join(PATIENCE)
        return map("".join, self._text.values())

    def _read(self, stream: IO[str], is_log: bool) -> None:  # noqa: FBT001 - of a thread
        for text in stream:
            with self._news:
                self._text[stream].append(text)
                if is_log:
                    self._lines.append(_parsed(text))
                    self._news.notify_all()
        stream.close()
        if is_log:
            with self._news:
                self._over = True
                self._news.notify_all()


@contextmanager
def running(
    program: Program,
    *arguments: str,
    before: Sequence[str] = (),
    stdin: Path | None = None,
) -> Iterator[Background]:
    """image-sync as long as the `with`, unless something ends it before.

    Args:
        program: What is run; the file of its configuration is the default for `arguments`.
        arguments: Of its command line.
        before: A command that starts it, and is what signals go to.
        stdin: A file to read from.
    """
    given = arguments or ("--config", str(program.config))
    with (stdin or Path("/dev/null")).open(encoding="utf-8") as source:
        process = subprocess.Popen(
            [*before, *command(*given)],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=program.environment,
            cwd=program.directory,
            text=True,
        )
    background = Background(process)
    try:
        yield background
    finally:
        background.kill()


def children(pid: int) -> list[int]:
    """The processes that a process has to wait for, those that have ended among them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]


def _parsed(text: str) -> Line:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.MsgspecError:
        return {"msg": text.rstrip("\n")}
