"""What the demo does, step by step, and what must come of each.

Every step counts what went over the wire while it lasted. What it must be follows from the images
that were made, and a number that differs is told as wrong.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import anyio
import msgspec

from image_sync.demo.images import ARCHITECTURES, Content, Image, make, sizes
from image_sync.demo.stage import TAG, Stage
from image_sync.demo.wire import Traffic
from image_sync.model import Action, Condition, SyncResult, Verified
from image_sync.observe import human_bytes

NAMES = ("shop/web", "shop/api", "shop/jobs")
PAUSE = 1
"""Seconds that the source asks to be left alone for: the least that Retry-After can say."""
_MANIFESTS = 1 + len(ARCHITECTURES)
"""Of an image: its index, and one for each platform."""
_SLACK = 0.01
"""Seconds by which two clocks of one machine may differ."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was done.

    Attributes:
        title: What was the case, and what was done.
        outcome: What came of it, in one or two lines.
        source: What went over the wire to the source.
        cache: What went over the wire to the cache.
        seconds: How long it took.
        wrong: What is not as it must be.
    """

    title: str
    outcome: tuple[str, ...]
    source: Traffic
    cache: Traffic
    seconds: float
    wrong: tuple[str, ...]


class _Done(msgspec.Struct, frozen=True):
    """What a pass or a verification was, with its traffic.

    Attributes:
        results: Of a pass, or of a verification.
        source: What went over the wire to the source.
        cache: What went over the wire to the cache.
        seconds: How long it took.
    """

    results: Sequence[SyncResult | Verified]
    source: Traffic
    cache: Traffic
    seconds: float

    def told(self, title: str, outcome: Sequence[str], must: "_Must") -> Step:
        """The step that it is."""
        errors = (f"{each.spec}: {each.error}" for each in self.results if each.error)
        differing = (
            f"{what}: {found}, and it must be {wanted}"
            for what, (found, wanted) in must.items()
            if found != wanted
        )
        return Step(
            title=title,
            outcome=tuple(outcome),
            source=self.source,
            cache=self.cache,
            seconds=self.seconds,
            wrong=(*errors, *differing),
        )

    @property
    def pulled(self) -> int:
        """Images that were copied."""
        return Counter(getattr(each, "action", None) for each in self.results)[Action.PULLED]


_Must = dict[str, tuple[int, int]]
"""What was found, and what it must be, by what it is."""


class Steps:
    """The steps, in their order; each needs those before it.

    Args:
        stage: Where they are done.

    Attributes:
        images: What the source has, by repository.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.images: dict[str, Image] = {name: make(name, TAG) for name in NAMES}

    async def prepare(self) -> None:
        """Have the source hold the images."""
        async with anyio.create_task_group() as tasks:
            for name, image in self.images.items():
                tasks.start_soon(self._stage.publish, name, image)

    def all(self) -> Sequence[Callable[[], Awaitable[Step]]]:
        """What does each of them."""
        return self.first_pass, self.idle_pass, self.moved_tag, self.limited, self.damaged_blob

    async def first_pass(self) -> Step:
        """The cache is empty."""
        done = await self._observed(self._stage.make_pass)
        blobs = [blob for image in self.images.values() for blob in image.blobs]
        unique = len({blob.digest for blob in blobs})
        saved = sum(len(blob.content) for blob in blobs) - sizes(blobs)
        return done.told(
            "The cache is empty: a pass copies all images",
            (f"{done.pulled} copied. What they share came once: {human_bytes(saved)} less.",),
            {
                "images copied": (done.pulled, len(NAMES)),
                "pulls": (done.source.pulls, len(NAMES) * _MANIFESTS),
                "blobs read at the source": (done.source.blobs, unique),
                "bytes of blobs": (done.source.blob_bytes, sizes(blobs)),
            },
        )

    async def idle_pass(self) -> Step:
        """Nothing has changed."""
        done = await self._observed(self._stage.make_pass)
        return done.told(
            "Nothing has changed: another pass asks for digests, and that is all",
            ("A HEAD for each image. No pull of your quota was spent, no byte was copied.",),
            {
                "images copied": (done.pulled, 0),
                "HEADs": (done.source.heads, len(NAMES)),
                "other requests": (done.source.requests - done.source.heads, 0),
                "bytes that the source sent": (done.source.sent, 0),
                "bytes that the cache received": (done.cache.received, 0),
            },
        )

    async def moved_tag(self) -> Step:
        """A tag names another image."""
        name = NAMES[1]
        new = await self._move(name, "1.0.1")
        done = await self._observed(self._stage.make_pass)
        whole = sizes(self.images[name].blobs)
        return done.told(
            f"{name}:{TAG} moves upstream: only that image is copied",
            (
                f"{done.pulled} copied, {len(NAMES) - done.pulled} left as they are.",
                f"It has {human_bytes(whole)}, and {human_bytes(done.source.blob_bytes)} are new.",
            ),
            self._moved(done, new),
        )

    async def limited(self) -> Step:
        """The source asks to be left alone, while a tag has moved."""
        name = NAMES[0]
        new = await self._move(name, "1.0.2")
        self._stage.source.limit(PAUSE)
        done = await self._observed(self._stage.make_pass)
        silence = self._stage.source.silence or 0.0
        early = max(0, done.source.refused - len(NAMES))
        return done.told(
            f"{name}:{TAG} moves, and the source answers 429, Retry-After: {PAUSE}",
            (
                f"Not one request went to it for {silence:.1f} s. Then the pass went on by itself:",
                f"{done.pulled} copied, {_failed(done.results)} failed.",
            ),
            {
                **self._moved(done, new),
                "answers with 429": (min(done.source.refused, 1), 1),
                "requests while it was to be left alone": (early, 0),
                "pauses as long as asked for": (int(silence >= PAUSE - _SLACK), 1),
            },
        )

    async def damaged_blob(self) -> Step:
        """The disk of the cache has changed a bit of a blob."""
        name = NAMES[2]
        blob = max(self.images[name].own, key=lambda each: len(each.content))
        self._stage.damage(name, blob)
        done = await self._observed(self._stage.verify)
        found = Counter(getattr(each, "condition", None) for each in done.results)
        whole = self._stage.is_whole(name, blob)
        return done.told(
            f"The cache's disk changes one bit of {name}:{TAG}: verify --deep --heal",
            (
                f"{found[Condition.WHOLE]} images whole, {found[Condition.HEALED]} healed.",
                f"{done.source.blobs} of its blobs came again, and the disk has the right bytes.",
            ),
            {
                "images healed": (found[Condition.HEALED], 1),
                "images whole": (found[Condition.WHOLE], len(NAMES) - 1),
                "bytes of blobs": (done.source.blob_bytes, len(blob.content)),
                "good files on the disk": (int(whole), 1),
            },
        )

    async def _move(self, name: str, version: str) -> Sequence[Content]:
        """Have a tag name another image, and tell which of its blobs are new."""
        before, after = self.images[name], make(name, version)
        self.images[name] = after
        await self._stage.publish(name, after)
        known = {blob.digest for blob in before.blobs}
        return [blob for blob in after.blobs if blob.digest not in known]

    def _moved(self, done: _Done, new: Sequence[Content]) -> _Must:
        """What must come of a pass for which one tag has moved."""
        return {
            "images copied": (done.pulled, 1),
            "HEADs": (done.source.heads, len(NAMES)),
            "pulls": (done.source.pulls, _MANIFESTS),
            "blobs read at the source": (done.source.blobs, len(new)),
            "bytes of blobs": (done.source.blob_bytes, sizes(new)),
        }

    async def _observed(
        self, work: Callable[[], Awaitable[Sequence[SyncResult] | Sequence[Verified]]]
    ) -> _Done:
        """What comes of some work, with what goes over both wires meanwhile."""
        source, cache, began = self._stage.source, self._stage.cache, time.monotonic()
        source.take()
        cache.take()
        results = await work()
        return _Done(results, source.take(), cache.take(), time.monotonic() - began)


def _failed(results: Sequence[SyncResult | Verified]) -> int:
    return Counter(getattr(each, "action", None) for each in results)[Action.FAILED]
