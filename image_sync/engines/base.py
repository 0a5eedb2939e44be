"""What an engine is: it copies one manifest, by digest, with everything below it.

The protocol that every engine fulfils and every caller relies on, and the values in it. No engine
moves a tag, and no engine's word counts: the caller reads back what arrived.
"""

from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import msgspec

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind
from image_sync.model import Endpoint, Security
from image_sync.oci import Digest, Manifest


class CopyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One copy: what, from where, to where, and how far the two may be trusted.

    Attributes:
        digest: The manifest or index that is copied; nothing is ever copied by tag.
        source_security: How the connection to the source turned out when it was checked.
        target_security: The same for the cache.
        deadline: Seconds of work for this attempt.
        made: Manifests that the source does not have and that are pushed in place of its own: an
            index with some platforms left out, converted manifests. All others are the source's.
        repair: Manifests and blobs that the cache lacks or holds damaged: they are pushed whatever
            the cache says it holds.
    """

    source: Endpoint
    target: Endpoint
    digest: Digest
    source_security: Security
    target_security: Security
    deadline: float
    made: tuple[Manifest, ...] = ()
    repair: frozenset[Digest] = frozenset()

    @property
    def sides(self) -> tuple[tuple[Endpoint, Security], tuple[Endpoint, Security]]:
        """Source and target, each with how its connection turned out."""
        return (self.source, self.source_security), (self.target, self.target_security)

    @property
    def beyond_tools(self) -> str | None:
        """Why no tool can do this copy, in words for people; None if one can."""
        if self.made:
            return "it copies manifests as they are, and these are made anew on the way"
        if self.repair:
            return "it believes what the cache says it holds, and this is damaged there"
        return None


class Copied(msgspec.Struct, frozen=True):
    """What a copy moved; None where the engine cannot say."""

    bytes_copied: int | None
    bytes_reused: int | None


class Refusal(NamedTuple):
    """Why an engine must not, or cannot, do a copy.

    Attributes:
        why: For people, without the engine's name.
        kind: `TOOL` if it is missing or unfit, `UNSUPPORTED` if the case is not for it.
    """

    why: str
    kind: ErrorKind = ErrorKind.UNSUPPORTED


class Turn(Protocol):
    """A copy's place among the others of a pass."""

    def progress(self, moved: int, size: int | None = None) -> None:
        """Tell how many bytes were moved so far, and of how many at most; about once a second."""

    def resting(self) -> AbstractAsyncContextManager[None]:
        """Give the place to others meanwhile, and stop the clock: what is waited for moves."""


class Engine(Protocol):
    """Copies by digest."""

    @property
    def name(self) -> str:
        """As in configuration, report and logs."""

    @property
    def resumes(self) -> bool:
        """True if another attempt goes on where this one ran out of time."""

    @property
    def vouches(self) -> bool:
        """True if the cache acknowledged every blob to it, so that nobody need ask again."""

    async def refusal(self, request: CopyRequest) -> Refusal | None:
        """Why it will not do this copy; None if it can."""

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        """Copy.

        Raises:
            EngineError: It did not work.
        """


class Credentials(Protocol):
    """Finds credentials."""

    async def find(self, host: str, path: str) -> Credential | None:
        """What is configured for a repository of a canonical host; None for anonymous."""
