"""Asking both sides about one image until there is a decision; the I/O around `plan.py`.

A check is one HEAD at the source and one at the cache, at the same time. A pinned image asks the
cache first, and the source only if the cache does not hold it already. Manifests are fetched only
if Y cannot be known otherwise, and then once: the ledger remembers.
"""

from typing import NamedTuple

import anyio

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError
from image_sync.model import Endpoint, ImageSpec
from image_sync.oci import Digest, OnePlatform, Reference, mediatypes
from image_sync.oci.conversion import is_converted
from image_sync.registry import RegistryClient, read_tree
from image_sync.sync.checked import Checked
from image_sync.sync.conversion import Conversion
from image_sync.sync.deriving import Deriver
from image_sync.sync.hosts import Reserves
from image_sync.sync.ledger import Ledger
from image_sync.sync.making import Made, Maker
from image_sync.sync.plan import (
    Absent,
    Answer,
    Ask,
    Copy,
    Decision,
    Defer,
    Derive,
    Held,
    Keep,
    NotAsked,
    SourceAnswer,
    Step,
    Unknown,
    decide,
    implied,
)

INDEX_PULLS = 8
"""Manifest GETs that a whole index is taken to cost before it was read: Docker Hub's official
images have 2 to 20 manifests, attestations included."""


class _Found(NamedTuple):
    """What both sides answered, and what follows from it."""

    source: SourceAnswer
    target: Answer
    convert: bool
    step: Step


class Checker:
    """Checks images.

    Args:
        client: For all requests.
        ledger: Remembered pairs.
        reserves: Says whether manifest GETs may be spent.
        maker: Knows what the cache should hold.
        conversion: Says what becomes of manifests of Docker's types.
    """

    def __init__(
        self,
        client: RegistryClient,
        ledger: Ledger,
        reserves: Reserves,
        maker: Maker,
        conversion: Conversion,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._reserves = reserves
        self._maker = maker
        self._deriver = Deriver(client, reserves, maker)
        self._conversion = conversion

    async def check(self, spec: ImageSpec, doubted: Digest | None = None) -> Checked:
        """What to do about an image; what could not be checked is part of the answer.

        Args:
            spec: The image.
            doubted: A Y that the source turned out not to have: the tag moved since the last check,
                or its HEAD lied. It is not believed again without reading the manifest.
        """
        step: Step | Defer
        source, target, convert, step = await self._decide(spec)
        if isinstance(source, Held) and isinstance(step, Copy) and step.expected == doubted:
            step = Derive(source.digest)
        if isinstance(step, Derive):
            source, made = await self._deriver.derive(spec, step.source_digest, convert=convert)
            if isinstance(made, Made):
                self._conversion.made(spec, made)
                step = decide(spec, source, target, made.expected, convert=convert)
                if not convert or isinstance(step, Keep):
                    self._record(spec, source, made.expected, convert=convert)
            else:
                step = made
        return Checked(
            spec,
            _decision(step),
            _remote(spec, source, step),
            target.digest if isinstance(target, Held) else None,
            _pulls(spec, source),
            isinstance(target, Unknown),
            convert,
            source.media_type if isinstance(source, Held) else "",
        )

    def refused(self, checked: Checked) -> bool:
        """Told that the cache did not take an image; True if another check may help.

        It does not if that expects the same digest again.
        """
        return self._conversion.refused(checked)

    def settled(self, checked: Checked) -> None:
        """Told that the cache holds what was decided.

        That an image is converted is not remembered before: its cache may take it as it is.
        """
        self._conversion.settled(checked)
        x, decision = checked.remote_digest, checked.decision
        if checked.convert and x and isinstance(decision, Copy):
            self._ledger.record(checked.spec, x, decision.expected, convert=True)

    def overtaken(self, checked: Checked) -> bool:
        """True if the cache turned out to refuse such an image after it was checked."""
        return self._conversion.overtaken(checked)

    async def cost(self, checked: Checked) -> int | None:
        """Bytes that copying would move at most, by reading the manifests at the source.

        None where nothing would be copied, or where the reading is not affordable.

        Raises:
            RegistryError: It could not be read, or is not whole at the source.
        """
        if not isinstance(checked.decision, Copy):
            return None
        source = checked.spec.source
        if not self._reserves.allows(source.host, checked.pulls):
            return None
        with self._reserves.promising(source.host, checked.pulls):
            made = {manifest.digest: manifest for manifest in await self._maker.made(checked)}
            return (await read_tree(self._client, source, checked.decision.expected, made)).size

    async def _decide(self, spec: ImageSpec) -> _Found:
        """What both sides answer, and the first step that follows from it."""
        source: SourceAnswer = NotAsked()
        if spec.pin:
            target = await self._ask(spec.target, spec.target_reference)
        else:
            source, target = await self._ask_both(spec)
        found = await self._follow(spec, source, target)
        if isinstance(found.step, Ask):
            source = await self._ask(spec.source, spec.source_reference)
            found = await self._follow(spec, source, target)
        if found.convert or not isinstance(found.step, Copy | Derive):
            return found
        try:
            before = await self._was_converted(spec, source, target)
        except ImageSyncError as error:
            target = Unknown(error)
            return found._replace(
                target=target, step=decide(spec, source, target, None, convert=False)
            )
        return await self._follow(spec, source, target, convert=True) if before else found

    async def _follow(
        self, spec: ImageSpec, source: SourceAnswer, target: Answer, *, convert: bool = False
    ) -> _Found:
        """What follows from the answers of both sides and from what is remembered."""
        convert, expected = await self._remembered(spec, source, target, convert=convert)
        step = decide(spec, source, target, expected, convert=convert)
        return _Found(source, target, convert, step)

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

    async def _remembered(
        self, spec: ImageSpec, source: SourceAnswer, target: Answer, *, convert: bool
    ) -> tuple[bool, Digest | None]:
        """Whether it is converted, and Y from the ledger; not asked where X decides alone."""
        x, media_type = spec.pin, ""
        if isinstance(source, Held):
            x, media_type = source.digest, source.media_type
        held = isinstance(target, Held) and target.digest == x
        convert = convert or self._conversion.applies(spec, held=held)
        if x is None or implied(spec, x, media_type, convert=True):
            return convert, None
        if convert or self._conversion.is_open:
            expected = await self._ledger.expected(spec, x, convert=True)
            if convert or expected:
                return True, expected
        if implied(spec, x, media_type, convert=False):
            return False, None
        return False, await self._ledger.expected(spec, x, convert=False)

    async def _was_converted(self, spec: ImageSpec, source: SourceAnswer, target: Answer) -> bool:
        """Whether the cache holds a converted image where the source has one of Docker's types.

        Raises:
            RegistryError: The cache did not say.
        """
        docker = isinstance(source, Held) and source.media_type in mediatypes.DOCKER
        if not docker or not isinstance(target, Held) or target.media_type not in mediatypes.OCI:
            return False
        if not self._conversion.is_open:
            return False
        reference = spec.target.repository.digest(target.digest)
        try:
            return is_converted(await self._client.get_manifest(spec.target, reference))
        except RegistryError as error:
            if error.kind in {ErrorKind.NOT_FOUND, ErrorKind.BAD_CONTENT}:
                return False  # it is to be replaced anyway
            raise

    def _record(self, spec: ImageSpec, source: Answer, expected: Digest, *, convert: bool) -> None:
        """Remember what the source's image becomes."""
        if isinstance(source, Held):
            self._ledger.record(spec, source.digest, expected, convert=convert)


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
