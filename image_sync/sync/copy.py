"""One attempt at bringing an image into the cache: engine, read-back, tag.

Which engine may try is `engines/select.py`'s business, when to try again the runner's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest

import anyio
import msgspec

from image_sync.engines import Candidate, CopyRequest, Engine, Selection, leads_on
from image_sync.errors import CopyError, EngineError, ErrorKind, RegistryError, Side
from image_sync.events import CopyProgress, CopyStarted, Emit, EngineFailed, EngineSkipped
from image_sync.model import Endpoint, ImageSpec, Security
from image_sync.oci import Digest
from image_sync.registry import RegistryClient
from image_sync.sync.check import Checked
from image_sync.sync.commit import move_tag, verified_tree
from image_sync.sync.hosts import Hosts, Reserves
from image_sync.sync.verify import Tree


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


class Deferred(msgspec.Struct, frozen=True):
    """Nothing was begun: the copy would spend pulls that are reserved."""


class Copier:
    """Copies images by digest and commits them.

    Args:
        client: For reading back and committing.
        selection: The engines, in order of preference.
        hosts: Pauses and quotas that a tool does not see.
        reserves: Says whether a copy's pulls may be spent.
        deadline: Seconds for one engine's copy (`pull_timeout_secs`), and for each of the phases
            before and after it.
        emit: Told about copies, engines passed over, and tags that moved.
    """

    def __init__(
        self,
        client: RegistryClient,
        selection: Selection,
        hosts: Hosts,
        reserves: Reserves,
        deadline: float,
        emit: Emit,
    ) -> None:
        self._client = client
        self._reserves = reserves
        self._selection = selection
        self._hosts = hosts
        self._deadline = deadline
        self._emit = emit

    def affordable(self, checked: Checked) -> bool:
        """True if the copy's pulls leave the source's reserve untouched."""
        return self._reserves.allows(checked.spec.source.host, checked.pulls)

    async def attempt(
        self, checked: Checked, expected: Digest, begin: Callable[[], int]
    ) -> Outcome | Deferred:
        """Have the cache's tag name Y.

        Args:
            checked: The image and what its check found.
            expected: Y.
            begin: Counts the attempt and tells its number, from 1; called once the cache was looked
                at and there is something to do.

        Raises:
            EngineError: No engine could copy it.
            CopyError: What arrived is wrong, or the tag did not move.
            RegistryError: The cache did not answer, or the source is to be left alone.
        """
        spec = checked.spec
        tree, repair = await self._present(spec, expected)
        if tree:
            begin()
            outcome = Outcome(None, 0, tree.size)
        else:
            self._refuse_paused(spec.source)
            request = await self._request(spec, expected, repair=repair)
            if not self.affordable(checked):
                return Deferred()
            with self._reserves.spending(spec.source.host, checked.pulls):
                outcome, tree = await self._copy(spec, request, begin())
        with self._bounded(spec.target, "moving the tag"):
            await move_tag(self._client, spec, tree, self._emit)
        return outcome

    async def _present(self, spec: ImageSpec, expected: Digest) -> tuple[Tree | None, bool]:
        """The image if the cache holds it whole already; else whether it holds its manifest."""
        reference = spec.target.repository.digest(expected)
        with self._bounded(spec.target, "looking at what the cache holds"):
            if await self._client.head_manifest(spec.target, reference) is None:
                return None, False
            try:
                return await verified_tree(self._client, spec, expected), False
            except CopyError as error:
                if error.kind is not ErrorKind.BLOB_MISSING:
                    raise
        return None, True

    def _refuse_paused(self, source: Endpoint) -> None:
        seconds = self._hosts.paused(source.host, pulls=True)
        if seconds > 0:
            raise _left_alone(source, seconds)

    async def _copy(
        self, spec: ImageSpec, request: CopyRequest, number: int
    ) -> tuple[Outcome, Tree]:
        """What the first engine that succeeds brought, and the image as it arrived."""
        candidates = await self._selection.candidates(request)
        for passed in candidates[0].passed_over:
            self._skipped(spec, passed.engine, candidates[0], passed.refusal.why)
        for candidate, following in zip_longest(candidates, candidates[1:]):
            engine = candidate.engine
            self._emit(CopyStarted(spec, engine.name, request.digest, number))
            try:
                return await self._try(engine, spec, request)
            except (EngineError, CopyError) as error:
                if following is None or not _leads_on(error):
                    raise
                self._skipped(spec, engine.name, following, error.message)
        raise AssertionError("unreachable: the last engine returns or raises")

    async def _try(
        self, engine: Engine, spec: ImageSpec, request: CopyRequest
    ) -> tuple[Outcome, Tree]:
        """One engine's copy, read back: its own word counts for nothing."""
        try:
            copied = await engine.copy(request, self._progress(spec, engine.name))
        except EngineError as error:
            self._emit(
                EngineFailed(spec, engine.name, error.argv, error.exit_code, error.stderr_tail)
            )
            if error.kind is ErrorKind.RATE_LIMITED:
                raise self._limited(spec, error) from error
            raise
        try:
            with self._bounded(spec.target, f"reading back what {engine.name} brought"):
                tree = await verified_tree(self._client, spec, request.digest)
        except CopyError as error:
            if error.kind is ErrorKind.NO_PLATFORM:  # the image's doing, not the engine's
                raise
            raise CopyError(
                f"{engine.name} reported success, but {error.message}",
                error.kind,
                operation=error.operation,
                side=error.side,
            ) from error
        return Outcome(engine.name, copied.bytes_copied, copied.bytes_reused), tree

    async def _request(self, spec: ImageSpec, expected: Digest, *, repair: bool) -> CopyRequest:
        return CopyRequest(
            source=spec.source,
            target=spec.target,
            digest=expected,
            source_security=await self._security(spec.source, expected),
            target_security=await self._security(spec.target, expected),
            deadline=self._deadline,
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

    @contextmanager
    def _bounded(self, endpoint: Endpoint, doing: str) -> Iterator[None]:
        """Give a phase as much time as a copy has.

        Raises:
            RegistryError: That was not enough.
        """
        with anyio.move_on_after(self._deadline) as scope:
            yield
        if scope.cancelled_caught:
            raise RegistryError(
                f"{endpoint.repository}: {doing} took longer than settings.pull_timeout_secs "
                f"({self._deadline:g} s)",
                ErrorKind.TIMEOUT,
                side=endpoint.side,
            )

    def _limited(self, spec: ImageSpec, error: EngineError) -> RegistryError:
        """A limit that a tool ran into is the whole host's: it pauses for every image."""
        endpoint = spec.target if error.side is Side.TARGET else spec.source
        self._hosts.pause(endpoint.host, None, f"{error.engine} was answered 429")
        return _left_alone(endpoint, self._hosts.paused(endpoint.host))

    def _skipped(self, spec: ImageSpec, engine: str, chosen: Candidate, why: str) -> None:
        self._emit(EngineSkipped(spec, engine, chosen.engine.name, why))

    def _progress(self, spec: ImageSpec, engine: str) -> Callable[[int], None]:
        return lambda moved: self._emit(CopyProgress(spec, engine, moved))


def _leads_on(error: EngineError | CopyError) -> bool:
    """True if the next engine may be tried, as after one that reported success and left gaps."""
    if isinstance(error, CopyError):
        return error.kind is ErrorKind.BLOB_MISSING
    return leads_on(error)


def _left_alone(endpoint: Endpoint, seconds: float) -> RegistryError:
    return RegistryError(
        f"{endpoint.repository}: {endpoint.host} asked to be left alone for {seconds:.0f} s",
        ErrorKind.RATE_LIMITED,
        side=endpoint.side,
        retry_after=seconds,
    )
