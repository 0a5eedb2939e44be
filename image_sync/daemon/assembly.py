"""What works under a configuration, put together; and what outlives configurations."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from image_sync.compose import Orders, ProcessWide, assembled
from image_sync.config import Scope
from image_sync.daemon.generation import AtWork
from image_sync.events import Emit
from image_sync.model import SyncResult
from image_sync.sync import Rounds, Scheduled


class Assembly:
    """Puts together what works under a configuration.

    Args:
        emit: Takes the events.
        environ: For finding tools and credentials.
    """

    def __init__(self, emit: Emit, environ: Mapping[str, str]) -> None:
        self._emit = emit
        self._environ = environ
        self._process = ProcessWide(emit)
        self._rounds: Rounds | None = None

    @asynccontextmanager
    async def open(
        self, scope: Scope, finished: Callable[[SyncResult], None]
    ) -> AsyncIterator[AtWork]:
        """What works under a configuration, open as long as the `async with`.

        Raises:
            ConfigError: A file that the configuration names cannot be used.
        """
        resolved, emit = scope.resolved, self._emit
        orders = Orders(specs=scope.specs, shard=scope.shard)
        async with assembled(resolved, orders, emit, self._environ, self._process) as parts:
            rounds = self._rounds_of(scope)
            examines = Scheduled(parts.client, rounds, emit) if rounds else None
            yield AtWork(parts.a_runner(resolved, emit, finished, examines), parts.ledger)

    def _rounds_of(self, scope: Scope) -> Rounds | None:
        """Whose turn it is to be verified; None if nobody is to be."""
        interval = scope.resolved.settings.verify_interval_secs
        if self._rounds is None or self._rounds.interval != interval:
            self._rounds = Rounds(interval) if interval else None
        return self._rounds
