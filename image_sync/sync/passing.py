"""One pass over some images, all of them at once.

It ends when every image has a result, when its time is over, or when it is stopped.
"""

from collections.abc import Callable, Sequence

import anyio

from image_sync.events import Emit, ImageFinished
from image_sync.model import ImageSpec, SyncResult
from image_sync.oci import Reference
from image_sync.sync.results import interrupted
from image_sync.sync.roles import Checks, Copies, Limits, Looks
from image_sync.sync.runner import Runner


class Pass:
    """One pass over some images; made for it and used once.

    Args:
        specs: The images.
        checks: Finds out.
        copies: Brings in.
        looks: Looks closer at what is unchanged.
        limits: How much at once, and for how long.
        emit: Told of every result.
        backoff: Seconds before the next attempt, by the number of the last.
        clock: Seconds.
    """

    def __init__(
        self,
        specs: Sequence[ImageSpec],
        checks: Checks,
        copies: Copies,
        looks: Looks,
        limits: Limits,
        emit: Emit,
        *,
        backoff: Callable[[int], float] | None = None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._specs = specs
        self._emit = emit
        self._results: dict[Reference, SyncResult] = {}
        self._runner = Runner(
            checks, copies, looks, limits, emit, self._finish, backoff=backoff, clock=clock
        )
        self._stopped = False

    async def run(self) -> list[SyncResult]:
        """The result of every image, in the order of the specs."""
        for spec in self._specs:
            self._runner.put(spec)
        self._runner.close()
        if self._stopped:
            self._runner.end(interrupted)
        await self._runner.run()
        return [self._results[spec.target_reference] for spec in self._specs]

    def stop(self) -> None:
        """End the pass now: running copies are cancelled, the rest is reported as interrupted."""
        self._stopped = True
        self._runner.end(interrupted)

    def _finish(self, result: SyncResult) -> None:
        self._results[result.spec.target_reference] = result
        self._emit(ImageFinished(result))
