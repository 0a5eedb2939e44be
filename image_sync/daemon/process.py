"""The process from its start to its end: its signals, its files, and the life in between."""

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from image_sync.compose import account_files, check_accounts, contending
from image_sync.config import Scope
from image_sync.daemon.assembly import Assembly
from image_sync.daemon.life import Life
from image_sync.daemon.watching import Fingerprint, Watch
from image_sync.errors import ConfigError, ImageSyncError, Problem
from image_sync.events import ConfigRejected, Emit, ProcessStarted, Stopped, Warned
from image_sync.kubernetes import ACCOUNT
from image_sync.runtime.beside import Task, beside
from image_sync.runtime.files import sweep_private_folders
from image_sync.runtime.fingerprint import fingerprint
from image_sync.runtime.garbage import collect_garbage
from image_sync.runtime.orphans import is_init, reap_orphans
from image_sync.runtime.signals import Ending, acting_on

_ONCE = "it came from standard input and cannot be read again: name a file with --config"


class Source(NamedTuple):
    """Where a configuration comes from.

    Attributes:
        read: The configuration as it is now; raises ConfigError if it is wrong.
        fingerprint: What differs when its files do; None if they cannot be read again.
        known: What that was when they were read first.
    """

    read: Callable[[], Scope]
    fingerprint: Fingerprint
    known: bytes | None


class Process:
    """A process that runs until it is told to end.

    Args:
        scope: The configuration that it begins with.
        source: Where the next ones come from.
        emit: Takes the events.
        environ: For finding tools and credentials.
        status: Prints how things stand; called on SIGQUIT.
        beside: What runs until the end as well.
        account: Folder with the files of the Pod's account, for a Lease.

    Attributes:
        scope: The configuration in force.
        signal: The number of the signal that ends it, None as long as none came.
    """

    def __init__(
        self,
        scope: Scope,
        source: Source,
        emit: Emit,
        environ: Mapping[str, str],
        status: Callable[[], None],
        beside: Sequence[Task] = (),
        account: Path = ACCOUNT,
    ) -> None:
        self.scope = scope
        self._source = source
        self._emit = emit
        self._environ = environ
        self._status = status
        self._beside = beside
        self._account = account
        self._failure: ImageSyncError | None = None
        self._contending: anyio.CancelScope | None = None
        self._assembly = Assembly(emit, environ)
        self._life: Life | None = None
        self._files = Watch(source.fingerprint, self.reload, source.known)
        self.signal: int | None = None
        self._reading = anyio.Lock()

    async def run(self) -> None:
        """Work until a signal ends it.

        Raises:
            ConfigError: A file that the configuration names cannot be used.
        """
        sweep_private_folders()  # which a killed process of ours left behind, with accounts in them
        async with (
            anyio.create_task_group() as tasks,
            acting_on(self._actions(tasks)),
            beside([collect_garbage, *self._beside]),
        ):
            self._emit(ProcessStarted())  # who reads it may send signals
            tasks.start_soon(self._files.run)
            tasks.start_soon(Watch(self._accounts, self._retry).run)
            if is_init():
                tasks.start_soon(reap_orphans)
            await self._work()
            tasks.cancel_scope.cancel()
        if self._failure:
            raise self._failure

    def alive(self) -> str | None:
        """Why this process had better be started again; None if there is no reason."""
        return self._life.alive() if self._life else None

    def ready(self) -> str | None:
        """Why nothing can be expected of it; None if it works, or waits for its turn to lead."""
        return self._life.ready() if self._life else None

    async def reload(self) -> None:
        """Read the configuration again and work by it, if it is right."""
        async with self._reading:
            try:
                scope = await to_thread.run_sync(self._source.read, abandon_on_cancel=True)
                self._refuse_other_registry(scope)
                if self._life:
                    await self._life.adopt(scope)
                else:
                    check_accounts(scope.resolved, self._emit, self._environ)
            except ConfigError as error:
                self._emit(ConfigRejected(tuple(map(str, error.problems))))
            else:
                self.scope = scope

    def _refuse_other_registry(self, scope: Scope) -> None:
        """The embedded registry is served from the start of the process to its end.

        Raises:
            ConfigError: It is to be another one, or none any more, or one where there was none.
        """
        if scope.resolved.cache.embedded != self.scope.resolved.cache.embedded:
            text = "the embedded registry holds from the start: restart to change it"
            raise ConfigError([Problem(text, path="cache_registry")])

    async def _work(self) -> None:
        """Live, or wait until this replica is the one that does."""
        lease = self.scope.resolved.settings.lease
        if lease is None:
            await self._live()
            return
        with anyio.CancelScope() as self._contending:
            try:
                elected = contending(lease, self._emit, self._environ, self._account)
                async with elected as election:
                    await election.run(self._live)
            except ImageSyncError as error:
                self._failure = error

    async def _live(self) -> None:
        if self.signal is not None:
            return
        self._life = Life(self._emit, self._assembly)
        try:
            await self._life.run(self.scope)
        except ConfigError as error:
            self._failure = error  # raised outside of task groups, which would wrap it up
        finally:
            self._life = None
            self._contend_no_more()

    async def _retry(self) -> None:
        """Credentials changed: what failed may succeed now."""
        if self._life:
            self._life.hurry(failing=True)

    def _accounts(self) -> bytes:
        return fingerprint(account_files(self.scope.resolved, self._environ))

    def _actions(self, tasks: TaskGroup) -> dict[signal.Signals, Callable[[int], None]]:
        ending = Ending(self._end, self._leave)

        def read_again(_: int) -> None:
            tasks.start_soon(self._read_again)

        return {
            signal.SIGTERM: ending,
            signal.SIGINT: ending,
            signal.SIGHUP: read_again,
            signal.SIGUSR1: lambda _: self._hurry(),
            signal.SIGQUIT: lambda _: self._status(),
        }

    def _end(self, signum: int) -> None:
        self.signal = signum
        if self._life:
            self._life.end(signum)
        else:
            self._contend_no_more()

    def _leave(self, signum: int) -> None:
        self._emit(Stopped(signal=signum, at_once=True))

    def _contend_no_more(self) -> None:
        """Once it was told to end: the Lease may have been lost meanwhile."""
        if self.signal is not None and self._contending:
            self._contending.cancel()

    def _hurry(self) -> None:
        if self._life:
            self._life.hurry()

    async def _read_again(self) -> None:
        if self._source.known is None:
            self._emit(Warned("config", _ONCE))
        else:
            await self._files.acquaint()
            await self.reload()
