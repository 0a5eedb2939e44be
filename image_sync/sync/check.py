"""Asking both sides about one image until there is a decision; the I/O around `plan.py`.

A check is one HEAD at the source and one at the cache, at the same time. A pinned image asks the
cache first, and the source only if the cache does not hold it already. The manifest itself is
fetched only if Y cannot be known otherwise, and then once: the ledger remembers.
"""

import anyio
import msgspec

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError
from image_sync.model import Endpoint, ImageSpec, Reason
from image_sync.oci import AllPlatforms, Digest, Manifest, OnePlatform, Reference, mediatypes
from image_sync.registry import RegistryClient
from image_sync.sync.hosts import Reserves
from image_sync.sync.ledger import Ledger
from image_sync.sync.plan import (
    ALGORITHM,
    Absent,
    Ask,
    Copy,
    Decision,
    Defer,
    Derive,
    Fail,
    Held,
    Keep,
    NotAsked,
    SourceAnswer,
    Step,
    Unknown,
    decide,
    derive,
)
from image_sync.sync.verify import read_tree

INDEX_PULLS = 8
"""Manifest GETs that a whole index is taken to cost before it was read: Docker Hub's official
images have 2 to 20 manifests, attestations included."""

Answer = Held | Absent | Unknown


class Checked(msgspec.Struct, frozen=True):
    """What is known of an image after its check, and what to do.

    Attributes:
        remote_digest: X, None if the source has none, was not reached, or was not asked.
        cached_digest: C, None if the cache has none or was not reached.
        pulls: Manifest GETs that a copy is taken to cost at the source.
        target_failed: The cache could not be checked, whatever the source answered.
    """

    spec: ImageSpec
    decision: Decision
    remote_digest: Digest | None
    cached_digest: Digest | None
    pulls: int
    target_failed: bool = False


class Checker:
    """Checks images.

    Args:
        client: For all requests.
        ledger: Remembered pairs.
        reserves: Says whether a manifest GET may be spent.
    """

    def __init__(self, client: RegistryClient, ledger: Ledger, reserves: Reserves) -> None:
        self._client = client
        self._ledger = ledger
        self._reserves = reserves

    async def check(self, spec: ImageSpec, doubted: Digest | None = None) -> Checked:
        """What to do about an image; what could not be checked is part of the answer.

        Args:
            spec: The image.
            doubted: A Y that the source turned out not to have: the tag moved since the last check,
                or its HEAD lied. It is not believed again without reading the manifest.
        """
        step: Step | Defer
        source, target, step = await self._decide(spec)
        if isinstance(source, Held) and isinstance(step, Copy) and step.expected == doubted:
            step = Derive(source.digest)
        if isinstance(step, Derive):
            source, step = await self._derive(spec, step.source_digest, target)
        return Checked(
            spec,
            _decision(step),
            _remote(spec, source, step),
            target.digest if isinstance(target, Held) else None,
            _pulls(spec, source),
            isinstance(target, Unknown),
        )

    async def cost(self, checked: Checked) -> int | None:
        """Bytes that copying would move at most, by reading the manifests at the source.

        None where nothing would be copied, or where the reading is not affordable.

        Raises:
            CopyError: The image is not whole at the source.
            RegistryError: It could not be read.
        """
        if not isinstance(checked.decision, Copy):
            return None
        source = checked.spec.source
        if not self._reserves.allows(source.host, checked.pulls):
            return None
        with self._reserves.promising(source.host, checked.pulls):
            return (await read_tree(self._client, source, checked.decision.expected)).size

    async def _decide(self, spec: ImageSpec) -> tuple[SourceAnswer, Answer, Step]:
        """What both sides answer, and the first step that follows from it."""
        source: SourceAnswer = NotAsked()
        if spec.pin:
            target = await self._ask(spec.target, spec.target_reference)
        else:
            source, target = await self._ask_both(spec)
        step = decide(spec, source, target, await self._remembered(spec, source))
        if isinstance(step, Ask):
            source = await self._ask(spec.source, spec.source_reference)
            step = decide(spec, source, target, await self._remembered(spec, source))
        return source, target, step

    async def _ask_both(self, spec: ImageSpec) -> tuple[Answer, Answer]:
        source: Answer = Absent()

        async def ask_source() -> None:
            nonlocal source
            source = await self._ask(spec.source, spec.source_reference)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_source)
            target = await self._ask(spec.target, spec.target_reference)
        return source, target

    async def _ask(self, endpoint: Endpoint, reference: Reference) -> Answer:
        try:
            head = await self._client.head_manifest(endpoint, reference)
        except ImageSyncError as error:
            return Unknown(error)
        return Held(head.digest, head.media_type) if head else Absent()

    async def _remembered(self, spec: ImageSpec, source: SourceAnswer) -> Digest | None:
        """Y from the ledger; not asked where X decides alone."""
        x = source.digest if isinstance(source, Held) else spec.pin
        plain = isinstance(source, Held) and source.media_type in mediatypes.MANIFESTS
        whole = plain or isinstance(spec.platforms, AllPlatforms)
        if x is None or (whole and x.algorithm == ALGORITHM):
            return None
        return await self._ledger.expected(spec, x)

    async def _derive(
        self, spec: ImageSpec, x: Digest, target: Answer
    ) -> tuple[Answer, Step | Defer]:
        """Y by one GET of X, and what follows from it."""
        if not self._reserves.allows(spec.source.host, 1):
            return Held(x, ""), Defer()
        try:
            with self._reserves.promising(spec.source.host, 1):
                manifest = await self._manifest(spec, x)
        except ImageSyncError as error:
            return Unknown(error), Fail(Reason.SOURCE_UNKNOWN, error)
        if manifest is None:
            return Absent(), decide(spec, Absent(), target, None)
        source = Held(manifest.digest, manifest.media_type)
        try:
            expected = derive(spec, manifest)
        except RegistryError as error:
            return source, Fail(Reason.UNSUITABLE, error)
        self._ledger.record(spec, manifest.digest, expected)
        return source, decide(spec, source, target, expected)

    async def _manifest(self, spec: ImageSpec, x: Digest) -> Manifest | None:
        """The manifest X; what the tag holds now if X is not to be had (fault rows 30 and 55).

        None if the tag is gone meanwhile.

        Raises:
            RegistryError: Neither is to be had.
        """
        try:
            return await self._client.get_manifest(spec.source, spec.source.repository.digest(x))
        except RegistryError as error:
            lost = error.kind in {ErrorKind.NOT_FOUND, ErrorKind.BAD_CONTENT}
            if spec.pin or not lost:
                raise
            failure = error
        try:
            manifest = await self._client.get_manifest(spec.source, spec.source_reference)
        except RegistryError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        if manifest.digest == x:  # engines copy by digest, and that is not to be had
            raise failure
        head = await self._client.head_manifest(spec.source, spec.source_reference)
        if head and head.digest == x:  # it did not move: HEAD lies
            self._client.distrust_head(spec.source)
        return manifest


def _decision(step: Step | Defer) -> Decision:
    assert not isinstance(step, Ask | Derive), f"{step} was answered, and comes back"  # noqa: S101
    return step


def _remote(spec: ImageSpec, source: SourceAnswer, step: Step | Defer) -> Digest | None:
    """X as the source told it, or as the pin does where that was enough."""
    match source:
        case Held(digest=digest):
            return digest
        case NotAsked() if isinstance(step, Keep):
            return spec.pin
        case _:
            return None


def _pulls(spec: ImageSpec, source: SourceAnswer) -> int:
    single = isinstance(source, Held) and source.media_type in mediatypes.MANIFESTS
    return 1 if single or isinstance(spec.platforms, OnePlatform) else INDEX_PULLS
