"""What a pass is made of, as the pass sees it: checks, copies, a closer look, and its bounds."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from image_sync.model import ImageSpec
from image_sync.oci import Digest
from image_sync.schedule import Capacity
from image_sync.sync.bring import Attempt, Outcome
from image_sync.sync.checked import Checked
from image_sync.sync.copy import Deferred
from image_sync.sync.referrers import Referrer
from image_sync.sync.unchanged import Found


class Checks(Protocol):
    """What finds out about an image."""

    async def check(self, spec: ImageSpec, doubted: Digest | None = None) -> Checked:
        """What to do about it; `doubted` is a digest that the source did not have after all."""

    async def cost(self, checked: Checked) -> int | None:
        """Bytes that a copy would move at most."""

    def refused(self, checked: Checked) -> bool:
        """Told that the cache took no such manifests; True if another check may help."""

    def settled(self, checked: Checked) -> None:
        """Told that what was decided is in the cache."""

    def overtaken(self, checked: Checked) -> bool:
        """True if the decision is outdated by what was learnt of the cache since."""


class Copies(Protocol):
    """What brings an image into the cache."""

    def affordable(self, checked: Checked) -> bool:
        """Whether its pulls may be spent."""

    async def attempt(
        self,
        checked: Checked,
        expected: Digest,
        attempt: Attempt,
        damaged: frozenset[Digest] = frozenset(),
    ) -> Outcome | Deferred:
        """One attempt; `damaged` are parts that the cache is known to hold damaged."""

    async def refer(
        self, checked: Checked, missing: Sequence[Referrer], attempt: Attempt
    ) -> Outcome | Deferred:
        """Bring what came to refer to an unchanged image since."""


class Looks(Protocol):
    """What looks closer at an unchanged image."""

    async def look(self, spec: ImageSpec, expected: Digest) -> Found:
        """What is wrong with it all the same."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How a pass goes about its work.

    Attributes:
        concurrency: Images copied at once.
        copying: The places for that, where they are shared with other runners.
        check_concurrency: Images checked at once.
        timeout: Seconds for an image from when it is put, waiting included; None for no bound.
        lasting: Nobody waits for the last image: one whose host is paused may come back later.
        dry_run: Decide, and copy nothing.
        cost: Find out what a copy would move, where none is made.
    """

    concurrency: int
    copying: Capacity | None = None
    check_concurrency: int
    timeout: float | None = None
    lasting: bool = False
    dry_run: bool = False
    cost: bool = False
