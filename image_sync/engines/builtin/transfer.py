"""One blob from a source into an upload: a machine between two sides that may both break.

What the source lost is asked for again inside the same upload (`feed.py`); what the target lost is
read again from the last state of the hash before it. An upload is finished only with the right
bytes, and one that can go on later is kept. Which repository the bytes come from and go to, and
whether they must move at all, is decided in `blobs.py`; HTTP is behind the protocols of `sides.py`.
"""

from functools import partial

import anyio
import msgspec

from image_sync.engines.builtin.allowance import GRACE, OutOfTime
from image_sync.engines.builtin.feed import Feed, Means, Rests
from image_sync.engines.builtin.hashing import Hashing, WrongBytes
from image_sync.engines.builtin.pipe import Pipe
from image_sync.engines.builtin.sides import Session, Source, Target
from image_sync.engines.builtin.strikes import Strikes
from image_sync.errors import TRAITS, ErrorKind, RegistryError, Side
from image_sync.oci import Descriptor
from image_sync.registry import upload_broken, upload_lost
from image_sync.runtime.retry import TRIES

_TARGET_TRIES = TRIES + 1
"""Failures in a row at the target: a registry that takes neither streams nor chunks says so twice,
and its token may run out besides."""
_FETCHES = 2
"""Of a blob whose bytes were wrong: fault row 27 allows one more."""
_MISMATCH = "DIGEST_INVALID"
"""The code of a registry whose upload holds other bytes than were sent to it: one that broke off
may have been written to a little longer (measured on distribution 3). Every other refusal is final.
"""
_FAREWELL = 5.0
"""Seconds in which the target may be told that an upload is given up."""


class Cramped(Exception):  # noqa: N818 - a request
    """The target wants chunks, which need more room than was taken; nothing was begun.

    Attributes:
        chunk: Bytes of one.
    """

    def __init__(self, chunk: int) -> None:
        super().__init__(f"a chunk has {chunk} bytes")
        self.chunk = chunk


class Upload(msgspec.Struct):
    """A blob that is partly there, for as long as its session lives.

    Attributes:
        session: Where it is.
        hashing: What was sent.
        doubtful: True if the session is to be asked first how much it has.
        left_with: Bytes that had been sent when it was left; -1 if it never was.
        left_at: When it was left with those for the first time, in seconds of the event loop's
            clock.
    """

    session: Session
    hashing: Hashing
    doubtful: bool = False
    left_with: int = -1
    left_at: float = 0.0

    @property
    def sent(self) -> int:
        """Bytes that the registry has of it at most."""
        return self.hashing.furthest


class Transfer:
    """One blob on its way.

    Args:
        blob: Which one.
        source: Where it comes from.
        target: Where it goes.
        means: What it works with.
        upload: What an earlier attempt reached.

    Attributes:
        upload: What was reached and is worth keeping; None if nothing is left at the target.
        chunk: Bytes of a chunk that there is room for.
    """

    def __init__(
        self,
        blob: Descriptor,
        source: Source,
        target: Target,
        means: Means,
        upload: Upload | None = None,
    ) -> None:
        self.upload = upload
        self.chunk = 0
        self._left = upload  # by an earlier attempt, and not asked about yet
        self._blob = blob
        self._name = f"{source}@{blob.digest}"
        self._target = target
        self._within = means.allowance.within
        self._refusal: RegistryError | None = None  # the target's last
        self._wrong = 0
        self._lost = 0
        self._failures = Strikes(_TARGET_TRIES, upload.session.offset if upload else 0)
        self._feed = Feed(blob, source, means, upload.hashing.furthest if upload else 0)
        self._rests = Rests(means.sleep)

    async def run(self) -> bool:
        """Move the blob; False if the target turned out to have it.

        Raises:
            RegistryError: A side failed for good, or too often.
            OutOfTime: Another attempt goes on with it.
            Cramped: It is to be run again with a larger `chunk`.
        """
        try:
            while upload := await self._ready():
                if upload.session.offset < self._blob.size:
                    await self._append(upload)
                elif await self._finish(upload):
                    self.upload = None
                    return True
        except RegistryError as error:
            if not _may_go_on(error):
                await self._throw_away()
            raise
        return False

    async def _ready(self) -> Upload | None:
        """An upload whose offset is known; None if the target has the blob."""
        if self.upload and self.upload.doubtful:
            await self._settle(self.upload)
        if self.upload is None:
            session = await self._within(self._target.open)
            if session is None:
                return None
            self.upload = Upload(session, Hashing(self._blob))
        if self.upload.session.holds > self.chunk:
            raise Cramped(self.upload.session.holds)
        return self.upload

    async def _settle(self, upload: Upload) -> None:
        """Find out how far an upload got; one that an earlier attempt left must answer now."""
        try:
            there = await self._within(upload.session.settle)
        except RegistryError as error:
            if upload is not self._left or error.retry_after is not None:
                raise
            self._refusal, there = error, None
            await self._throw_away()
        if there is None:
            self._lose()
        else:
            self._left, upload.doubtful = None, False

    async def _append(self, upload: Upload) -> None:
        """Get some further, or find out why not."""
        before, upload.doubtful = upload.session.offset, True
        try:
            await self._send(upload)
            upload.doubtful = False
        except WrongBytes as wrong:
            await self._start_over(self._other_bytes(wrong))
        except RegistryError as error:
            if error.side is Side.SOURCE:
                raise
            self._refusal = error
            if upload_lost(error):
                self._lose()
            elif not upload_broken(error) or self._failures.out(before):
                raise
            else:
                await self._within(partial(self._rests.after, self._failures.count, error))

    async def _send(self, upload: Upload) -> None:
        """One append, with the source's bytes from where the upload stands.

        Raises:
            RegistryError: Of either side.
            WrongBytes: The source's bytes were others; the last of them were not sent.
            OutOfTime: The time was over; the upload stands further than before.
        """
        session = upload.session
        pipe = Pipe(upload.hashing, session.offset)
        size_left = self._blob.size - session.offset
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._feed.fill, pipe)
            try:
                await self._within(lambda: session.append(pipe, size_left), GRACE)
            except (RegistryError, WrongBytes, OutOfTime) as error:
                failure = error
            finally:
                pipe.close()
                tasks.cancel_scope.cancel()
        failure = pipe.failure or failure
        if failure:
            raise failure
        if session.offset < self._blob.size and self._failures.out(session.offset):
            raise self._stuck(session.offset)

    async def _finish(self, upload: Upload) -> bool:
        """Make a blob of what is there; False if there is something to be done before."""
        if upload.hashing.position != self._blob.size:  # it has what we did not send
            await self._start_over(self._unhashed(upload))
            return False
        try:
            upload.hashing.check()
            await self._within(upload.session.finish)
        except WrongBytes as wrong:
            await self._start_over(self._other_bytes(wrong))
        except RegistryError as error:
            self._refusal = error
            if upload_lost(error):
                self._lose()
            elif _MISMATCH in error.codes:
                await self._start_over(error)
            else:
                raise
        else:
            return True
        return False

    def _lose(self) -> None:
        """The session is gone: begin a new one, if this does not go on for ever."""
        self.upload = None
        self._lost += 1
        if self._lost >= TRIES and self._refusal:
            raise self._refusal

    async def _start_over(self, error: RegistryError) -> None:
        """Throw away what was sent, and begin once more, but not a third time."""
        await self._throw_away()
        self._wrong += 1
        if self._wrong >= _FETCHES:
            raise error

    async def _throw_away(self) -> None:
        upload, self.upload = self.upload, None
        if upload:
            with anyio.move_on_after(_FAREWELL):
                await upload.session.cancel()

    def _stuck(self, offset: int) -> RegistryError:
        what = f"takes no more than {offset} bytes of {self._blob.size}"
        return self._amiss(what, ErrorKind.TRUNCATED)

    def _unhashed(self, upload: Upload) -> RegistryError:
        what = f"has all bytes, of which only {upload.hashing.position} were sent"
        return self._amiss(what, ErrorKind.UNAVAILABLE)

    def _amiss(self, what: str, kind: ErrorKind) -> RegistryError:
        return RegistryError(f"the upload of {self._blob.digest} {what}", kind, side=Side.TARGET)

    def _other_bytes(self, wrong: WrongBytes) -> RegistryError:
        return RegistryError(
            f"{self._name} was answered with other bytes: {wrong}",
            ErrorKind.BAD_CONTENT,
            side=Side.SOURCE,
        )


def _may_go_on(error: RegistryError) -> bool:
    """True if another attempt may do better with the same upload."""
    return TRAITS[error.kind].retryable or error.retry_after is not None
