"""A source and a target in virtual time that break wherever a script says.

They keep the promises of the protocols in `sides.py`, and nothing more: content is read by another
task, which may be cut off anywhere; what a broken append brought is known only when asked for.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Literal, NamedTuple

import anyio
from typing_extensions import override

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
        self.restarts = 0
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


class FinishBreak(NamedTuple):
    """An end of an upload that goes wrong.

    Attributes:
        how: `broken` has no effect; `unheard` has it, and its answer is lost; `lost` has lost the
            session, and `gone` has made a blob of it before; `refused` is final, and `mixed` says
            that it holds other bytes than were sent.
    """

    how: Literal["broken", "unheard", "lost", "gone", "refused", "mixed"]


class SettleBreak(NamedTuple):
    """A question how far an upload got that goes wrong.

    Attributes:
        how: `broken` is not answered, `limited` not before some time has passed, `lost` has lost
            the session, and `less` only what came last.
        loses: Bytes that `less` has lost.
    """

    how: Literal["broken", "limited", "lost", "less"]
    loses: int = 0


class SimulatedTarget:
    """A repository; each break spoils one append, end or question, in their order.

    Attributes:
        finished: The blob, once it is one.
        mistaken: Uploads that were to become the blob and held something else.
        sessions: All that were opened.
        reluctance: Seconds before an append asks for content.
        pause: Seconds that a piece takes on its way in.
        whole: True if the next session takes a blob in one request; the others never do.
        finds: True if it tells, instead of opening a session, that it has the blob.
    """

    def __init__(
        self,
        digest: Digest,
        breaks: list[TargetBreak],
        *,
        holds: int = 0,
        finishes: tuple[FinishBreak, ...] = (),
        settles: tuple[SettleBreak, ...] = (),
    ) -> None:
        self.finished: bytes | None = None
        self.mistaken = 0
        self.sessions: list[SimulatedSession] = []
        self.digest = digest
        self.breaks = list(breaks)
        self.finishes = list(finishes)
        self.settles = list(settles)
        self.holds = holds
        self.reluctance = 0.0
        self.pause = TICK
        self.whole = False
        self.finds = False

    async def open(self) -> "SimulatedSession | None":
        await anyio.sleep(TICK)
        if self.finds and self.finished is not None:
            return None
        session = WholeSession(self) if self.whole else SimulatedSession(self)
        self.whole = False
        self.sessions.append(session)
        return session

    def take(self, content: bytes) -> None:
        """Make a blob of what was sent, if it is that."""
        if self.digest.matches(content):
            self.finished = content
            return
        self.mistaken += 1
        raise _refused("DIGEST_INVALID")

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
        await self._receive(content, size_left)
        self.offset = len(self.kept)

    async def _receive(self, content: AsyncIterable[bytes], size_left: int) -> None:
        start = len(self.kept)
        fault = self._target.breaks.pop(0) if self._target.breaks else None
        await anyio.sleep(self._target.reluctance)
        failure = await self._read(content, start + (fault.after if fault else size_left + 1))
        if failure:
            raise failure
        assert len(self.kept) - start <= size_left
        if fault:
            self._spoil(fault, start)

    async def _read(self, content: AsyncIterable[bytes], limit: int) -> Exception | None:
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
                raise _denied()
            case "broken":
                raise _broken("PATCH")
            case "short":
                return

    async def settle(self) -> int | None:
        await anyio.sleep(TICK)
        if self._target.settles and self.alive:
            self._misjudge(self._target.settles.pop(0))
        if not self.alive:
            return None
        self.offset = len(self.kept)
        return self.offset

    def _misjudge(self, fault: SettleBreak) -> None:
        match fault.how:
            case "broken":
                raise _broken("GET")
            case "limited":
                raise RegistryError(
                    "wait", ErrorKind.RATE_LIMITED, side=Side.TARGET, retry_after=60.0
                )
            case "lost":
                self.alive = False
            case "less":
                del self.kept[max(0, len(self.kept) - fault.loses) :]

    async def finish(self) -> None:
        await anyio.sleep(TICK)
        if not self.alive:
            raise _lost()
        if self._target.finishes:
            self._end_badly(self._target.finishes.pop(0).how)
            return
        self._target.take(bytes(self.kept))
        self.alive = False

    def _end_badly(self, how: str) -> None:
        if how in {"unheard", "gone"}:
            self._target.take(bytes(self.kept))
        self.alive = how in {"broken", "refused", "mixed"}
        match how:
            case "broken" | "unheard":
                raise _broken("PUT")
            case "lost" | "gone":
                raise _lost()
            case "mixed":
                raise _refused("DIGEST_INVALID")
            case _:
                raise _refused("SIZE_INVALID")

    async def cancel(self) -> None:
        await anyio.sleep(TICK)
        self.alive = False


class WholeSession(SimulatedSession):
    """An upload that takes a blob in one request, or nothing: whatever happens, it is the only one.

    Of a break, `lost` has made a blob of what was sent before it was lost, if that was all.
    """

    def __init__(self, target: SimulatedTarget) -> None:
        super().__init__(target)
        self._size = 0
        self._spent = False

    @override
    async def append(self, content: AsyncIterable[bytes], size_left: int) -> None:
        if self._spent:
            self.alive = False
            raise _lost()
        self._spent, self._size = True, size_left
        try:
            await self._receive(content, size_left)
        finally:
            sent = bytes(self.kept)
            self.kept.clear()
        if len(sent) == size_left:
            self._target.take(sent)
            self._end()

    @override
    def _spoil(self, fault: TargetBreak, start: int) -> None:
        complete = len(self.kept) == self._size
        if fault.how == "lost" and complete:
            self._target.take(bytes(self.kept))
            raise _broken("PUT")
        if fault.how == "short" and complete:
            return
        if fault.how == "refused":
            raise _denied()
        raise _broken("PUT")

    @override
    async def settle(self) -> int | None:
        await anyio.sleep(TICK)
        if self._spent and self._target.finished is None:
            self.alive = False
            return None
        if self._spent:
            self._end()
        return self.offset

    @override
    async def finish(self) -> None:
        await anyio.sleep(TICK)
        if self._spent:
            self.alive = False
            raise _lost()

    def _end(self) -> None:
        self._spent, self.alive, self.offset = False, False, self._size


def descriptor_of(content: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(content, algorithm), len(content))


def _broken(method: str) -> RegistryError:
    return RegistryError("broke", ErrorKind.NETWORK, side=Side.TARGET, method=method)


def _denied() -> RegistryError:
    return RegistryError("no", ErrorKind.DENIED, side=Side.TARGET, method="PATCH")


def _refused(code: str) -> RegistryError:
    return RegistryError(
        "no such blob", ErrorKind.BLOB_REFUSED, side=Side.TARGET, method="PUT", codes=(code,)
    )


def _lost() -> RegistryError:
    return RegistryError(
        "unknown upload",
        ErrorKind.UNAVAILABLE,
        side=Side.TARGET,
        method="PATCH",
        status=404,
        codes=("BLOB_UPLOAD_UNKNOWN",),
    )
