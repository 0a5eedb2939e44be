"""Remembered digest pairs: what X became under the wanted platforms, converted or as it was.

A pair is a fact that never changes, so the ledger is an optimisation: without it the answer is the
same and costs a manifest GET, or several where manifests are converted. Where it is kept is
`ledger_stores.py`'s business. Several instances may share a place: each reads all documents and
writes its own.
"""

import sys
from collections.abc import Callable
from typing import Protocol

import anyio
import msgspec

from image_sync.errors import ErrorKind, ImageSyncError
from image_sync.events import Emit, Warned
from image_sync.model import ImageSpec
from image_sync.oci import Digest
from image_sync.oci.quoting import printable
from image_sync.runtime.unforeseen import unwrapped

VERSION = 2
_READABLE = frozenset({1, VERSION})
"""Versions that are read; documents of version 1 have no converted pairs."""
_SAVE_SECONDS = 30.0
"""For saving: some small requests to the cache."""
LAST_SECONDS = 5.0
"""For saving when a process ends: KILL follows TERM after 30 s in Kubernetes, 10 s in Docker, and
what is remembered saves requests, no more."""
MAX_PAIRS = 50_000
"""Pairs that are kept: 10,000 images with five digests each, 12 MB as a document."""
_REFRESH_DAYS = 7
"""A pair in use is written again after so many days, so that a document changes at most weekly."""
_FORGET_DAYS = 30
"""A pair unused for so many days is dropped: long enough for a list that is seldom run."""
_DAMAGE = frozenset({ErrorKind.BAD_CONTENT, ErrorKind.UNSUPPORTED, ErrorKind.TRUNCATED})
"""Kinds of failure that speak of one document, and not of the place."""


class LedgerStore(Protocol):
    """A place where documents are kept, each under a name; we write one of them."""

    own: str

    async def names(self) -> list[str]:
        """The documents that are there, the own one first."""

    async def read(self, name: str) -> bytes | None:
        """A document; None if it is not there, or cannot come back."""

    async def write(self, document: bytes) -> None:
        """Replace the own document."""


class Pair(msgspec.Struct, frozen=True, array_like=True):
    """One remembered fact, and the day (since 1970-01-01 UTC) it was last used."""

    source: str
    platforms: str
    source_digest: str
    expected: str
    day: int
    convert: bool = False  # Docker's types became the OCI's

    @property
    def key(self) -> "Key":
        """What it is looked up by."""
        return self.source, self.platforms, self.source_digest, self.convert


class _Document(msgspec.Struct):
    version: int
    pairs: list[Pair]


class _Version(msgspec.Struct):
    version: int


Key = tuple[str, str, str, bool]
Pairs = dict[Key, Pair]


class Ledger:
    """The pairs in memory; `load` once, `save` once a pass.

    Args:
        store: Where it is kept; None for nowhere.
        emit: Told once if the store cannot be used as it should.
        today: The day since 1970-01-01 UTC.
    """

    def __init__(self, store: LedgerStore | None, emit: Emit, today: Callable[[], int]) -> None:
        self._store = store
        self._emit = emit
        self._today = today
        self._others: Pairs = {}
        self._own: Pairs = {}
        self._changed = False
        self._unread = False  # it could not be read, and may not be written over
        self._writable = store is not None
        self._warned = False
        self._loaded = anyio.Event()
        if store is None:
            self._loaded.set()

    async def load(self) -> None:
        """Read what is remembered; what cannot be read is as good as forgotten."""
        try:
            if self._store is not None:
                await self._read(self._store)
        finally:
            self._loaded.set()

    async def expected(
        self, spec: ImageSpec, source_digest: Digest, *, convert: bool
    ) -> Digest | None:
        """Y for X, if it is remembered; waits until the ledger is loaded."""
        await self._loaded.wait()
        key = *_names(spec, source_digest), convert
        pair = self._own.get(key) or self._others.get(key)
        if pair is None:
            return None
        self._use(pair)
        return Digest.parse(pair.expected)

    def record(
        self, spec: ImageSpec, source_digest: Digest, expected: Digest, *, convert: bool
    ) -> None:
        """Remember that X became Y."""
        names = _names(spec, source_digest)
        self._use(Pair(*names, str(expected), self._today(), convert))

    async def save(self, seconds: float = _SAVE_SECONDS) -> None:
        """Write our own document if it changed; a ledger that cannot be written is no failure.

        One that could not be read before is read first. What cannot be written waits for the next
        time.

        Args:
            seconds: How long it may take.
        """
        changed = self._changed or len(self._recent()) < len(self._own)
        if self._store is None or not self._writable or not changed:
            return
        failure = f"it took longer than {seconds:g} s"
        with anyio.move_on_after(seconds):
            failure = await self._replace(self._store)
        if failure:
            self._warn(f"the ledger cannot be written: {failure}")

    async def _replace(self, store: LedgerStore) -> str:
        """Write our document; why that was not possible, if there is something to say."""
        if self._unread:
            await self._read(store)
        if self._unread or not self._writable:
            return ""
        kept = sorted(self._recent(), key=lambda pair: (-pair.day, pair.key))[:MAX_PAIRS]
        document = _Document(VERSION, sorted(kept, key=lambda pair: pair.key))
        try:
            await store.write(msgspec.json.encode(document))
        except Exception as error:  # noqa: BLE001 - no pass may end for want of a ledger
            return _told(error)
        self._own, self._changed, self._warned = {pair.key: pair for pair in kept}, False, False
        return ""

    def _recent(self) -> list[Pair]:
        """Our own pairs without those that nobody used for long."""
        oldest = self._today() - _FORGET_DAYS
        return [pair for pair in self._own.values() if pair.day >= oldest]

    async def _read(self, store: LedgerStore) -> None:
        self._unread = True
        try:
            names = await store.names()
            for name in names:
                if len(self._own) + len(self._others) >= MAX_PAIRS:
                    break
                await self._read_one(store, name)
            self._unread = False
        except Exception as error:  # noqa: BLE001 - no pass may end for want of a ledger
            self._warn(f"the ledger cannot be read: {_told(error)}")

    async def _read_one(self, store: LedgerStore, name: str) -> None:
        """Take over a document; a damaged one is left alone, and says nothing of the others.

        Raises:
            ImageSyncError: The place cannot be read.
        """
        own = name == store.own
        try:
            content = await store.read(name)
            pairs = _decode(content) if content else {}
        except (ImageSyncError, ValueError) as error:
            if isinstance(error, ImageSyncError) and error.kind not in _DAMAGE:
                raise
            self._writable = self._writable and not own
            self._warn(f"{name} in the ledger cannot be used: {error}")
            return
        if own:
            self._own = pairs | self._own
        else:
            oldest = self._today() - _FORGET_DAYS
            fresh = {key: pair for key, pair in pairs.items() if pair.day >= oldest}
            self._others = fresh | self._others

    def _use(self, pair: Pair) -> None:
        """Keep a pair in our own document, under a day no older than the refresh interval."""
        today = self._today()
        own = self._own.get(pair.key)
        recent = own is not None and today - _REFRESH_DAYS < own.day <= today
        if own is None or own.expected != pair.expected or not recent:
            self._own[pair.key] = msgspec.structs.replace(pair, day=today)
            self._changed = True

    def _warn(self, what: str) -> None:
        if self._warned:
            return
        self._warned = True
        self._emit(
            Warned(
                "ledger",
                f"{what}; going on without: checks of multi-platform images may cost manifest GETs "
                "(settings.ledger chooses another place, or none)",
            )
        )


def _names(spec: ImageSpec, source_digest: Digest) -> tuple[str, str, str]:
    return str(spec.source.repository), str(spec.platforms), str(source_digest)


def _told(error: Exception) -> str:
    """An error in words; one that nobody foresaw may have none of its own."""
    error = unwrapped(error)
    if isinstance(error, ImageSyncError):
        return str(error)
    return f"{type(error).__name__}: {printable(str(error))}"


def _decode(document: bytes) -> Pairs:
    """The pairs of a document.

    Raises:
        ValueError: It is damaged, or from a newer version.
    """
    try:
        version = msgspec.json.decode(document, type=_Version).version
        if version not in _READABLE:
            raise ValueError(f"it is of version {version}, and this image-sync knows {VERSION}")
        pairs = msgspec.json.decode(document, type=_Document).pairs
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is damaged: {error}") from error
    return {pair.key: pair for pair in map(_checked, pairs)}


def _checked(pair: Pair) -> Pair:
    """The same pair with valid digests, and with one object for each text that many pairs share.

    Raises:
        ValueError: It is damaged.
    """
    Digest.parse(pair.source_digest)
    Digest.parse(pair.expected)
    return msgspec.structs.replace(
        pair, source=sys.intern(pair.source), platforms=sys.intern(pair.platforms)
    )
