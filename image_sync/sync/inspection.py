"""Verifying images in the cache: each one examined, what is damaged healed, what is left told.

The cache alone is asked; sources are read only by the pass that heals. What is wrong with one image
is found out in `verify.py`, `looks.py` and `proof.py`, and a copy made by the engines of a pass.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Protocol

import anyio
import msgspec

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import Emit, ImageVerified
from image_sync.model import (
    Action,
    Condition,
    Damage,
    Endpoint,
    ImageSpec,
    Reason,
    SyncResult,
    Verified,
)
from image_sync.oci import Digest, Reference, Repository
from image_sync.registry import RegistryClient
from image_sync.runtime.parallel import for_each
from image_sync.sync.looks import SharedLook, at_once
from image_sync.sync.proof import read_through
from image_sync.sync.verify import examine_further, look_at_blob, unreadable

_READERS = 4
"""Blobs that are read to their last byte at once: what hashing on one core keeps up with."""
_AT_ONCE = 8
"""Images examined at once, each with several requests in flight, and its manifests in memory."""
_NAMED_FILES = 3
"""Files that advice on one image names."""

DamagedParts = Mapping[Reference, frozenset[Digest]]


class Healer(Protocol):
    """Makes a pass over damaged images."""

    async def heal(self, specs: Sequence[ImageSpec], damage: DamagedParts) -> Sequence[SyncResult]:
        """What came of images of which some parts are damaged, by their place in the cache."""

    def stop(self) -> None:
        """End the pass now, in order."""


class Inspection:
    """One verification of some images; made for it and used once.

    Args:
        specs: The images.
        client: For asking the cache.
        emit: Told of every image.
        healer: Makes the pass that heals; None if damage is only told.
        deep: Read every blob, instead of asking for its size.
        concurrency: Images examined at once, at most.
        clock: Seconds.
    """

    def __init__(
        self,
        specs: Sequence[ImageSpec],
        client: RegistryClient,
        emit: Emit,
        *,
        healer: Healer | None = None,
        deep: bool = False,
        concurrency: int = 1,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._specs = tuple(specs)
        self._client = client
        self._emit = emit
        self._healer = healer
        self._looks = SharedLook(at_once(read_through, _READERS) if deep else look_at_blob)
        self._deep = deep
        self._concurrency = min(concurrency, _AT_ONCE)
        self._clock = clock
        self._found: dict[Reference, Verified] = {}
        self._serving: set[str] = set()  # hosts that served a manifest
        self._doubtful: list[Verified] = []
        self._examining = anyio.CancelScope()
        self._concluding = anyio.CancelScope()
        self._stopped = False

    async def run(self) -> list[Verified]:
        """What came of every image, in the order of the specs."""
        with self._examining:
            await for_each(self._verify, self._specs, workers=self._concurrency)
            await for_each(self._verify_again, self._doubtful, workers=self._concurrency)
        if self._healer and not self._stopped:
            await self._heal_damaged(self._healer)
        return [
            self._found.get(spec.target_reference) or _interrupted(spec) for spec in self._specs
        ]

    def stop(self) -> None:
        """End now: what was not examined yet is reported as unknown, and nothing more is healed."""
        self._stopped = True
        self._examining.cancel()
        self._concluding.cancel()
        if self._healer:
            self._healer.stop()

    async def _verify(self, spec: ImageSpec) -> None:
        found = await self._look(spec)
        if found.error_kind is ErrorKind.UNAVAILABLE:
            self._doubtful.append(found)
        else:
            self._note(found)

    async def _verify_again(self, found: Verified) -> None:
        """Look once more at what a registry could not serve, if it served others."""
        serving = found.spec.target.host in self._serving
        self._note(await self._look(found.spec) if serving else found)

    def _note(self, verified: Verified) -> None:
        self._found[verified.spec.target_reference] = verified
        self._emit(ImageVerified(verified))

    async def _look(self, spec: ImageSpec) -> Verified:
        """In what condition an image is."""
        began = self._clock()
        digest: Digest | None = None
        damage: tuple[Damage, ...] = ()
        error: RegistryError | None = None
        try:
            head = await self._client.head_manifest(spec.target, spec.target_reference)
            if head:
                digest = head.digest
                damage = await self._damage(spec.target, digest)
        except RegistryError as failure:
            error = failure
        return Verified(
            spec=spec,
            condition=_condition(digest, damage, error),
            digest=digest,
            damage=damage,
            duration=self._clock() - began,
            error=f"{error} ({error.hint})" if error else None,
            error_kind=error.kind if error else None,
        )

    async def _damage(self, endpoint: Endpoint, digest: Digest) -> tuple[Damage, ...]:
        """What of an image is damaged.

        A manifest that a registry fails to read is damaged if it can read others; if it has read
        none yet, that is its own failure.
        """
        examined = await examine_further(self._client, endpoint, digest, self._looks)
        if examined.tree.manifests:
            self._serving.add(endpoint.host)
        if examined.unread and endpoint.host not in self._serving:
            raise examined.unread[0].error
        return (*examined.damage, *(unreadable(endpoint, hole) for hole in examined.unread))

    async def _heal_damaged(self, healer: Healer) -> None:
        """Have what is damaged copied again, and look again."""
        damaged = {
            reference: found
            for reference, found in self._found.items()
            if found.condition is Condition.DAMAGED
        }
        if not damaged:
            return
        self._looks.forget_damage()
        results = await healer.heal(
            [found.spec for found in damaged.values()],
            {
                reference: frozenset(part.digest for part in found.damage)
                for reference, found in damaged.items()
            },
        )

        copied: list[tuple[Verified, SyncResult]] = []
        for result in results:
            found = damaged[result.spec.target_reference]
            if _is_worth_a_look(result):
                copied.append((found, result))
            else:
                self._note(_not_healed(found, result))
        with self._concluding:
            await for_each(self._conclude, copied, workers=self._concurrency)
        for found, result in copied:
            if self._found[found.spec.target_reference] is found:
                self._note(_not_seen(found, result))

    async def _conclude(self, copy: tuple[Verified, SyncResult]) -> None:
        self._note(await self._after_copy(*copy))

    async def _after_copy(self, found: Verified, result: SyncResult) -> Verified:
        """What became of a damaged image of which the cache acknowledged a copy."""
        again = await self._look(found.spec)
        spent = found.duration + result.duration + again.duration
        match again.condition:
            case Condition.WHOLE:
                return msgspec.structs.replace(
                    again, condition=Condition.HEALED, damage=found.damage, duration=spent
                )
            case Condition.DAMAGED:
                return msgspec.structs.replace(
                    again,
                    duration=spent,
                    error=_beyond_healing(again, deep=self._deep),
                    error_kind=again.damage[0].kind,
                )
            case _:
                return msgspec.structs.replace(again, damage=found.damage, duration=spent)


def _condition(
    digest: Digest | None, damage: Sequence[Damage], error: RegistryError | None
) -> Condition:
    if error:
        return Condition.UNKNOWN
    if digest is None:
        return Condition.MISSING
    return Condition.DAMAGED if damage else Condition.WHOLE


def _is_worth_a_look(result: SyncResult) -> bool:
    """True if the cache acknowledged a copy, whatever it holds of it."""
    arrived = result.reason is Reason.COMMIT_FAILED and result.error_side is Side.TARGET
    return result.action in {Action.PULLED, Action.ALREADY_CACHED} or arrived


def _interrupted(spec: ImageSpec) -> Verified:
    return Verified(
        spec=spec,
        condition=Condition.UNKNOWN,
        error="the verification was interrupted before this image was done",
        error_kind=ErrorKind.INTERRUPTED,
    )


def _not_healed(found: Verified, result: SyncResult) -> Verified:
    return msgspec.structs.replace(
        found,
        duration=found.duration + result.duration,
        error=f"not healed: {result.error or str(result.reason).replace('_', ' ')}",
        error_kind=result.error_kind,
    )


def _not_seen(found: Verified, result: SyncResult) -> Verified:
    return msgspec.structs.replace(
        found,
        condition=Condition.UNKNOWN,
        duration=found.duration + result.duration,
        error="a new copy was made, and the verification was interrupted before a look at it",
        error_kind=ErrorKind.INTERRUPTED,
    )


def _beyond_healing(verified: Verified, *, deep: bool) -> str:
    """What is left to do for damage that stayed although the cache took a new copy."""
    repository = verified.spec.target.repository
    digests = list(dict.fromkeys(part.digest for part in verified.damage))
    files = "; ".join(_files(repository, digest) for digest in islice(digests, _NAMED_FILES))
    more = len(digests) - _NAMED_FILES
    others = f"; and those of {more} more digests" if more > 0 else ""
    again = "image-sync verify --deep --heal" if deep else "image-sync verify --heal"
    return (
        "not healable over the API: the cache acknowledged a new copy and goes on serving what it "
        f"had. Remove from its storage {files}{others}; restart it, and run {again} again"
    )


def _files(repository: Repository, digest: Digest) -> str:
    """Where registries keep some content, measured on distribution 3.1 and Zot 2.1.

    Zot links the same content into every repository that has it.
    """
    algorithm, name = digest.algorithm, digest.hex
    distribution = f"docker/registry/v2/blobs/{algorithm}/{name[:2]}/{name}/data"
    zot = f"{repository.path}/blobs/{algorithm}/{name}"
    return f"{distribution} (distribution) or {zot} and its hard links (Zot)"
