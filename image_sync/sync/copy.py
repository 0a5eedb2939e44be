"""One attempt at an image: what the cache holds of it, what is brought, and the tag.

How it is brought is `bring.py`'s business, when to try again the runner's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from image_sync.errors import CopyError, EngineError, RegistryError, Side, side_of
from image_sync.events import Emit
from image_sync.model import ImageSpec
from image_sync.oci import Digest
from image_sync.registry import RegistryClient, Tree
from image_sync.sync.bring import Attempt, Bringer, EngineTurn, Outcome, bounded
from image_sync.sync.checked import Checked
from image_sync.sync.commit import move_tag
from image_sync.sync.failure import REFERRERS
from image_sync.sync.hosts import Reserves
from image_sync.sync.referrers import Referrer, Referrers
from image_sync.sync.verify import check_wanted, examine


class Deferred(msgspec.Struct, frozen=True):
    """Nothing was begun: the copy would spend pulls that are reserved."""


class Copier:
    """Copies images by digest and commits them.

    Args:
        client: For looking at the cache and committing.
        bringer: Has engines bring what the cache lacks.
        referrers: Brings what refers to images.
        reserves: Says whether a copy's pulls may be spent.
        emit: Told about tags that moved.
        deadline: Seconds for each phase (`pull_timeout_secs`).
        keep_previous: How many earlier images keep a tag; None if nobody said, and such tags are
            left alone.
    """

    def __init__(
        self,
        client: RegistryClient,
        bringer: Bringer,
        referrers: Referrers,
        reserves: Reserves,
        emit: Emit,
        *,
        deadline: float,
        keep_previous: int | None = None,
    ) -> None:
        self._client = client
        self._bringer = bringer
        self._referrers = referrers
        self._reserves = reserves
        self._emit = emit
        self._deadline = deadline
        self._keep_previous = keep_previous

    def affordable(self, checked: Checked) -> bool:
        """True if the copy's pulls leave the source's reserve untouched."""
        return self._reserves.allows(checked.spec.source.host, checked.pulls)

    async def attempt(
        self,
        checked: Checked,
        expected: Digest,
        attempt: Attempt,
        damaged: frozenset[Digest] = frozenset(),
    ) -> Outcome | Deferred:
        """Have the cache's tag name Y, whole.

        What refers to the image comes before its tag moves, so that nobody who asks for signatures
        sees the new image without. Where that would spend reserved pulls the tag waits, too: the
        image is in the cache by then, and is not copied again.

        Args:
            checked: The image and what its check found.
            expected: Y.
            attempt: What is begun with it.
            damaged: Parts that the cache is known to hold damaged.

        Raises:
            EngineError: No engine could copy it.
            CopyError: What arrived is wrong, what refers to it could not be brought, or the tag did
                not move.
            RegistryError: A registry did not answer, or is to be left alone.
        """
        spec = checked.spec
        tree, repair = (None, damaged) if damaged else await self._present(spec, expected)
        if tree:
            attempt.begin()
            outcome = Outcome(None, 0, tree.size)
        elif not self.affordable(checked):
            return Deferred()
        else:
            outcome, tree = await self._bringer.bring(checked, expected, repair, attempt)
        if spec.referrers:
            with_referrers = await self._with_referrers(spec, tree, outcome, attempt)
            if isinstance(with_referrers, Deferred):
                return with_referrers
            outcome = with_referrers
        with bounded(spec.target, "moving the tag", self._deadline):
            seen, keep = checked.cached_digest, self._keep_previous
            await move_tag(self._client, spec, tree, self._emit, seen=seen, keep_previous=keep)
        return outcome

    async def refer(
        self, checked: Checked, missing: Sequence[Referrer], attempt: Attempt
    ) -> Outcome | Deferred:
        """Bring what came to refer to an unchanged image since.

        Args:
            checked: The image and what its check found.
            missing: What refers to it at the source, and not in the cache.
            attempt: What is begun with it.

        Raises:
            CopyError: It could not be brought.
        """
        if not self._reserves.allows(checked.spec.source.host, len(missing)):
            return Deferred()
        attempt.begin()
        with _about_referrers(checked.spec):
            return await self._refer(checked.spec, missing, attempt)

    async def _present(
        self, spec: ImageSpec, expected: Digest
    ) -> tuple[Tree | None, frozenset[Digest]]:
        """The image if the cache holds it whole already; else what of it is damaged there."""
        reference = spec.target.repository.digest(expected)
        with bounded(spec.target, "looking at what the cache holds", self._deadline):
            if await self._client.head_manifest(spec.target, reference) is None:
                return None, frozenset()
            examined = await examine(self._client, spec.target, expected)
            if examined.damage:
                return None, frozenset(part.digest for part in examined.damage)
            await check_wanted(self._client, spec, examined.tree)
        return examined.tree, frozenset()

    async def _with_referrers(
        self, spec: ImageSpec, tree: Tree, outcome: Outcome, attempt: Attempt
    ) -> Outcome | Deferred:
        with _about_referrers(spec):
            missing = await self._referrers.missing(spec, tree)
            if not self._reserves.allows(spec.source.host, len(missing)):
                return Deferred()
            referring = await self._refer(spec, missing, attempt)
        if outcome.bytes_copied is None or referring.bytes_copied is None:
            return outcome
        moved = outcome.bytes_copied + referring.bytes_copied
        return msgspec.structs.replace(outcome, bytes_copied=moved)

    async def _refer(
        self, spec: ImageSpec, missing: Sequence[Referrer], attempt: Attempt
    ) -> Outcome:
        engine = self._referrers.engine
        with self._reserves.promising(spec.source.host, len(missing)):
            watched = EngineTurn(spec, engine, attempt, self._emit)
            copied = await self._referrers.bring(spec, missing, watched)
        return Outcome(engine, copied.bytes_copied, copied.bytes_reused)


@contextmanager
def _about_referrers(spec: ImageSpec) -> Iterator[None]:
    """Say of what goes wrong that it did with what refers to an image."""
    try:
        yield
    except (EngineError, RegistryError, CopyError) as error:
        raise CopyError(
            f"what refers to {spec}: {error}",
            error.kind,
            operation=REFERRERS,
            side=side_of(error) or Side.SOURCE,
            retry_after=error.retry_after,
        ) from error
