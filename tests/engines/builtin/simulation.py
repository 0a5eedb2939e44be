"""A source and a target in virtual time that break wherever a script says.

They keep the promises of the protocols in `sides.py`, and nothing more: content is read by another
task, which may be cut off anywhere; what a broken append brought is known only when asked for.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Literal, NamedTuple

import anyio

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.oci import Descriptor, Digest

TICK = 0.01
"""Seconds that a piece takes on its way."""


class SourceBreak(NamedTuple):
    """A read that goes wrong.

    Attributes:
        after: Bytes of it that come before.
        kind: What happens then; None for a byte that is another one.
    """

    after: int
    kind: ErrorKind | None
    retry_after: float | None = None


class TargetBreak(NamedTuple):
    """An append that goes wrong.

    Attributes:
        after: Bytes that are taken before.
        keeps: Of them, what the registry has afterwards.
        how: `broken` may be mended, `lost` has lost the session, `refused` is final, and `short`
            says that all went well and has not taken everything.
    """

    after: int
    keeps: int
    how: Literal["broken", "lost", "refused", "short"]


class SimulatedSource:
    """A blob; each break spoils one read, in their order."""

    def __init__(self, content: bytes, piece: int, breaks: list[SourceBreak]) -> None:
        self.content = content
        self.given = 0  # bytes in all
        self.reads: list[int] = []  # where each began
        self._piece = piece
        self._breaks = list(breaks)

    def __str__(self) -> str:
        return "source.example/app"

    async def read(self, offset: int) -> AsyncGenerator[bytes, None]:
        self.reads.append(offset)
        fault = self._breaks.pop(0) if self._breaks else None
        content = bytearray(self.content)
        end = len(content)
        if fault and fault.kind is None and offset < end:
            content[min(offset + fault.after, end - 1)] ^= 1
        elif fault:
            end = min(end, offset + fault.after)
        for start in range(offset, end, self._piece):
            await anyio.sleep(TICK)
            piece = bytes(content[start : min(end, start + self._piece)])
            self.given += len(piece)
            yield piece
        if fault and fault.kind:
            await anyio.sleep(TICK)
            raise RegistryError(
                "broke", fault.kind, side=Side.SOURCE, retry_after=fault.retry_after
            )


class SimulatedTarget:
    """A repository; each break spoils one append, in their order.

    Attributes:
        finished: The blob, once it is one.
        sessions: All that were opened.
        reluctance: Seconds before an append asks for content.
        pause: Seconds that a piece takes on its way in.
    """

    def __init__(self, digest: Digest, breaks: list[TargetBreak], *, holds: int = 0) -> None:
        self.finished: bytes | None = None
        self.sessions: list[SimulatedSession] = []
        self.digest = digest
        self.breaks = list(breaks)
        self.holds = holds
        self.reluctance = 0.0
        self.pause = TICK

    async def open(self) -> "SimulatedSession | None":
        await anyio.sleep(TICK)
        self.sessions.append(SimulatedSession(self))
        return self.sessions[-1]

    @property
    def open_sessions(self) -> list["SimulatedSession"]:
        return [session for session in self.sessions if session.alive]


class SimulatedSession:
    """An upload; `kept` is what the registry has of it."""

    def __init__(self, target: SimulatedTarget) -> None:
        self.offset = 0
        self.kept = bytearray()
        self.alive = True
        self._target = target

    @property
    def holds(self) -> int:
        return self._target.holds

    async def append(self, content: AsyncIterable[bytes], size_left: int) -> None:
        if not self.alive:
            raise _lost()
        start = len(self.kept)
        assert start == self.offset, "nobody asked how much the registry has"
        fault = self._target.breaks.pop(0) if self._target.breaks else None
        limit = fault.after if fault else size_left + 1
        await anyio.sleep(self._target.reluctance)
        failure = await self._take(content, start + limit)
        if failure:
            raise failure
        assert len(self.kept) - start <= size_left
        if fault:
            self._spoil(fault, start)
        self.offset = len(self.kept)

    async def _take(self, content: AsyncIterable[bytes], limit: int) -> Exception | None:
        """Read in another task; what the content raised."""
        failure: Exception | None = None
        taken = anyio.Event()

        async def write() -> None:
            nonlocal failure
            try:
                async for piece in content:
                    self.kept += piece
                    await anyio.sleep(self._target.pause)
                    if len(self.kept) >= limit:
                        taken.set()
            except Exception as error:  # noqa: BLE001 - comes out of append as it is
                failure = error
            taken.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await taken.wait()
            tasks.cancel_scope.cancel()
        return failure

    def _spoil(self, fault: TargetBreak, start: int) -> None:
        del self.kept[start + min(fault.keeps, len(self.kept) - start) :]
        match fault.how:
            case "lost":
                self.alive = False
                raise _lost()
            case "refused":
                raise RegistryError("no", ErrorKind.DENIED, side=Side.TARGET, method="PATCH")
            case "broken":
                raise RegistryError("broke", ErrorKind.NETWORK, side=Side.TARGET, method="PATCH")
            case "short":
                return

    async def settle(self) -> int | None:
        await anyio.sleep(TICK)
        if not self.alive:
            return None
        self.offset = len(self.kept)
        return self.offset

    async def finish(self) -> None:
        await anyio.sleep(TICK)
        if not self.alive:
            raise _lost()
        if not self._target.digest.matches(bytes(self.kept)):
            raise RegistryError(
                "digest invalid", ErrorKind.BLOB_REFUSED, side=Side.TARGET, method="PUT"
            )
        self.alive = False
        self._target.finished = bytes(self.kept)

    async def cancel(self) -> None:
        await anyio.sleep(TICK)
        self.alive = False


def descriptor_of(content: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(content, algorithm), len(content))


def _lost() -> RegistryError:
    return RegistryError(
        "unknown upload",
        ErrorKind.UNAVAILABLE,
        side=Side.TARGET,
        method="PATCH",
        status=404,
        codes=("BLOB_UPLOAD_UNKNOWN",),
    )
