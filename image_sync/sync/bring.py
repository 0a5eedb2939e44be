"""Having an engine bring an image into the cache by digest, and reading back what it brought.

An engine's word counts for nothing: what arrived is read from the cache. Which engine may try is
`engines/select.py`'s business; tags are `commit.py`'s.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

import anyio
import msgspec

from image_sync.engines import CopyRequest, Engine, Selection, leads_on
from image_sync.errors import TRAITS, CopyError, EngineError, ErrorKind, RegistryError, Side
from image_sync.events import CopyProgress, CopyStarted, Emit, EngineFailed, EngineSkipped
from image_sync.model import Endpoint, ImageSpec, Security
from image_sync.oci import Digest, Reference
from image_sync.registry import RegistryClient, Tree
from image_sync.sync.checked import Checked
from image_sync.sync.hosts import Hosts, Reserves
from image_sync.sync.making import Maker
from image_sync.sync.verify import verified_tree


class Outcome(msgspec.Struct, frozen=True):
    """What an attempt brought.

    Attributes:
        engine: Who copied; None if all of it was in the cache already.
        bytes_copied: Bytes moved; None where the engine cannot say.
        bytes_reused: Bytes that were there already; None where the engine cannot say.
    """

    engine: str | None
    bytes_copied: int | None
    bytes_reused: int | None


class Attempt(Protocol):
    """An attempt at an image, in its place among the copies of a pass."""

    def begin(self) -> int:
        """Count it, once the cache was looked at; its number, from 1."""

    def resting(self) -> AbstractAsyncContextManager[None]:
        """Give the place to others meanwhile, and stop the clock."""


class _Copy(NamedTuple):
    """One copy, whichever engine makes it.

    Attributes:
        pulls: Manifest GETs that it is taken to cost at the source.
    """

    spec: ImageSpec
    request: CopyRequest
    pulls: int
    attempt: Attempt


class Bringer:
    """Has images brought by digest.

    Args:
        client: For reading back.
        maker: Makes the manifests that the source does not have.
        selection: The engines, in order of preference.
        hosts: Pauses that a tool does not see, and how hosts prove themselves.
        reserves: Told of pulls that are about to be spent.
        deadline: Seconds for one engine's copy (`pull_timeout_secs`), and for each of the phases
            before and after it.
        emit: Told about copies, and engines passed over.
    """

    def __init__(
        self,
        client: RegistryClient,
        maker: Maker,
        selection: Selection,
        hosts: Hosts,
        reserves: Reserves,
        deadline: float,
        emit: Emit,
    ) -> None:
        self._client = client
        self._maker = maker
        self._selection = selection
        self._hosts = hosts
        self._reserves = reserves
        self._deadline = deadline
        self._emit = emit
        self._unfinished: set[Reference] = set()  # what an engine that resumes may go on with

    async def bring(
        self, checked: Checked, expected: Digest, repair: frozenset[Digest], attempt: Attempt
    ) -> tuple[Outcome, Tree]:
        """What the first engine that succeeds brought, and the image as it arrived.

        Args:
            checked: The image and what its check found.
            expected: Y.
            repair: What the cache lacks of it, or holds damaged.
            attempt: What is begun with it.

        Raises:
            EngineError: No engine could copy it.
            CopyError: What arrived is wrong.
            RegistryError: A registry did not answer, or is to be left alone.
        """
        spec = checked.spec
        with self._reserves.promising(spec.source.host, checked.pulls):
            self._refuse_paused(spec.source)
            request = await self._request(checked, expected, repair)
            number = attempt.begin()
            engines = await self._engines(spec, request)
        # Nothing is waited for between this promise and that of an engine: no other image comes in.
        return await self._copy(_Copy(spec, request, checked.pulls, attempt), engines, number)

    def _refuse_paused(self, source: Endpoint) -> None:
        seconds = self._hosts.paused(source.host, pulls=True)
        if seconds > 0:
            raise _left_alone(source, seconds)

    async def _engines(self, spec: ImageSpec, request: CopyRequest) -> list[Engine]:
        """Those that can, the preferred one first, or one that may go on with what it began."""
        candidates = await self._selection.candidates(request)
        for passed in candidates[0].passed_over:
            self._skipped(spec, passed.engine, candidates[0].engine, passed.refusal.why)
        engines = [candidate.engine for candidate in candidates]
        if spec.target_reference in self._unfinished:
            engines.sort(key=lambda engine: not engine.resumes)
        return engines

    async def _copy(
        self, copy: _Copy, engines: Sequence[Engine], number: int
    ) -> tuple[Outcome, Tree]:
        """What the first engine that succeeds brought, and the image as it arrived."""
        while True:
            engine, *others = engines
            self._emit(CopyStarted(copy.spec, engine.name, copy.request.digest, number))
            try:
                return await self._try(engine, copy)
            except (EngineError, CopyError) as error:
                engines = [each for each in others if _leads_on(error, each)]
                if not engines:
                    raise
                self._skipped(copy.spec, engine.name, engines[0], error.message)

    async def _try(self, engine: Engine, copy: _Copy) -> tuple[Outcome, Tree]:
        """One engine's copy, read back: its own word counts for nothing."""
        spec = copy.spec
        watched = EngineTurn(spec, engine.name, copy.attempt, self._emit)
        try:
            with self._pulling(engine, copy):
                copied = await engine.copy(copy.request, watched)
        except EngineError as error:
            self._note(spec, engine, error)
            self._emit(
                EngineFailed(spec, engine.name, error.argv, error.exit_code, error.stderr_tail)
            )
            if error.kind is ErrorKind.RATE_LIMITED and error.retry_after is None:
                raise self._limited(spec, error) from error
            raise
        self._unfinished.discard(spec.target_reference)
        tree = await self._read_back(engine, spec, copy.request)
        return Outcome(engine.name, copied.bytes_copied, copied.bytes_reused), tree

    def _pulling(self, engine: Engine, copy: _Copy) -> AbstractContextManager[None]:
        """Keep others from the pulls of a copy.

        An engine that vouches asks with requests of ours, and the answers say what they spent; what
        a tool spent is counted here.
        """
        keeping = self._reserves.promising if engine.vouches else self._reserves.spending
        return keeping(copy.spec.source.host, copy.pulls)

    async def _read_back(self, engine: Engine, spec: ImageSpec, request: CopyRequest) -> Tree:
        try:
            with self._bounded(spec.target, f"reading back what {engine.name} brought"):
                return await verified_tree(
                    self._client,
                    spec,
                    request.digest,
                    blobs=bool(request.repair) or not engine.vouches,
                )
        except CopyError as error:
            if error.kind is ErrorKind.NO_PLATFORM:  # the image's doing, not the engine's
                raise
            raise CopyError(
                f"{engine.name} reported success, but {error.message}",
                error.kind,
                operation=error.operation,
                side=error.side,
            ) from error

    def _note(self, spec: ImageSpec, engine: Engine, error: EngineError) -> None:
        """Keep in mind whose work the next attempt can go on with."""
        if not engine.resumes:
            return
        if TRAITS[error.kind].retryable or error.retry_after is not None:
            self._unfinished.add(spec.target_reference)
        else:
            self._unfinished.discard(spec.target_reference)

    async def _request(
        self, checked: Checked, expected: Digest, repair: frozenset[Digest]
    ) -> CopyRequest:
        spec = checked.spec
        with self._bounded(spec.source, "reading its manifests"):
            made = await self._maker.made(checked)
        return CopyRequest(
            source=spec.source,
            target=spec.target,
            digest=expected,
            source_security=await self._security(spec.source, expected),
            target_security=await self._security(spec.target, expected),
            deadline=self._deadline,
            made=made,
            repair=repair,
        )

    async def _security(self, endpoint: Endpoint, digest: Digest) -> Security:
        """How a registry proves itself; it is asked for something if that is not known."""
        found = self._hosts.security(endpoint.host, endpoint.tls)
        if found is None:
            with self._bounded(endpoint, "asking how it proves itself"):
                await self._client.head_manifest(endpoint, endpoint.repository.digest(digest))
            found = self._hosts.security(endpoint.host, endpoint.tls)
        return found or Security.VERIFIED

    def _limited(self, spec: ImageSpec, error: EngineError) -> RegistryError:
        """A limit that a tool ran into is the whole host's: it pauses for every image."""
        endpoint = spec.target if error.side is Side.TARGET else spec.source
        self._hosts.pause(endpoint.host, None, f"{error.engine} was answered 429")
        return _left_alone(endpoint, self._hosts.paused(endpoint.host))

    def _skipped(self, spec: ImageSpec, engine: str, chosen: Engine, why: str) -> None:
        self._emit(EngineSkipped(spec, engine, chosen.name, why))

    def _bounded(self, endpoint: Endpoint, doing: str) -> AbstractContextManager[None]:
        return bounded(endpoint, doing, self._deadline)


@contextmanager
def bounded(endpoint: Endpoint, doing: str, deadline: float) -> Iterator[None]:
    """Give a phase of a copy as much time as a copy has.

    Args:
        endpoint: Whom it asks.
        doing: What it does, for the error.
        deadline: Seconds.

    Raises:
        RegistryError: That was not enough.
    """
    with anyio.move_on_after(deadline) as scope:
        yield
    if scope.cancelled_caught:
        raise RegistryError(
            f"{endpoint.repository}: {doing} took longer than settings.pull_timeout_secs "
            f"({deadline:g} s)",
            ErrorKind.TIMEOUT,
            side=endpoint.side,
        )


class EngineTurn:
    """What an engine is given of an attempt: an `engines.Turn`."""

    def __init__(self, spec: ImageSpec, engine: str, attempt: Attempt, emit: Emit) -> None:
        self._spec = spec
        self._engine = engine
        self._emit = emit
        self.resting = attempt.resting

    def progress(self, moved: int, size: int | None = None) -> None:
        """Tell how far the copy is."""
        self._emit(CopyProgress(self._spec, self._engine, moved, size))


def _leads_on(error: EngineError | CopyError, following: Engine) -> bool:
    """True if an engine may be tried, as after one that reported success and left gaps."""
    if isinstance(error, CopyError):
        return error.kind is ErrorKind.BLOB_MISSING
    return leads_on(error, following)


def _left_alone(endpoint: Endpoint, seconds: float) -> RegistryError:
    return RegistryError(
        f"{endpoint.repository}: {endpoint.host} asked to be left alone for {seconds:.0f} s",
        ErrorKind.RATE_LIMITED,
        side=endpoint.side,
        retry_after=seconds,
    )
