"""One configuration at work, until the last copy that was begun under it is over."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import anyio
from anyio.abc import TaskStatus

from image_sync.config import Scope
from image_sync.model import ImageSpec, SyncResult
from image_sync.sync import LAST_SECONDS, Runner, interrupted


class Remembers(Protocol):
    """What keeps what was learnt in passes."""

    async def load(self) -> None:
        """Get what was kept."""

    async def save(self, seconds: float = ...) -> None:
        """Keep it, in so many seconds at most."""


class AtWork(NamedTuple):
    """What works under a configuration.

    Attributes:
        runner: Works on images.
        ledger: Keeps what was learnt.
    """

    runner: Runner
    ledger: Remembers


class Opens(Protocol):
    """What puts together what works under a configuration."""

    def open(
        self, scope: Scope, finished: Callable[[SyncResult], None]
    ) -> AbstractAsyncContextManager[AtWork]:
        """What works under it, and tells of every result."""


class Generation:
    """One configuration at work.

    Args:
        scope: The configuration.
        assembly: Puts together what works under it.
        finished: Told of every result.
    """

    def __init__(
        self, scope: Scope, assembly: Opens, finished: Callable[[SyncResult], None]
    ) -> None:
        self.scope = scope
        self._assembly = assembly
        self._finished = finished
        self._runner: Runner | None = None
        self._replaced = False
        self._pass_over = anyio.Event()
        self._idle = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until it is retired and idle; started once it can take images.

        Raises:
            ConfigError: A file that the configuration names cannot be used.
        """
        async with self._assembly.open(self.scope, self._finished) as (runner, ledger):
            self._runner = runner
            task_status.started()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ledger.load)
                tasks.start_soon(self._remember, ledger)
                await runner.run()
                tasks.cancel_scope.cancel()
            self._idle.set()
            if not self._replaced:
                await ledger.save(LAST_SECONDS)

    @property
    def runner(self) -> Runner:
        """What works on images, once it has started."""
        assert self._runner, "nothing is put into what has not started"  # noqa: S101
        return self._runner

    def remember(self) -> None:
        """A pass is over: what was learnt in it is worth keeping."""
        self._pass_over.set()

    def retire(self, *, replaced: bool = False) -> None:
        """Begin nothing more, and end when what is being worked on is over.

        One that was replaced saves nothing then: the next one's ledger knows more.
        """
        self._replaced = replaced
        self.runner.drain(interrupted)
        self.runner.close()

    def give_up(self, spec: ImageSpec | None = None, *, waiting: bool = False) -> None:
        """Give up an image, or all; or only if they wait, where `waiting`."""
        self.runner.end(interrupted, spec, waiting=waiting)

    async def idle(self) -> None:
        """Wait until nothing is being worked on any more."""
        await self._idle.wait()

    async def _remember(self, ledger: Remembers) -> None:
        while True:
            await self._pass_over.wait()
            self._pass_over = anyio.Event()
            await ledger.save()
