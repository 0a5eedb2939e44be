"""What an engine is: it copies one manifest, by digest, with everything below it.

The protocol that every engine fulfils and every caller relies on, and the values in it. No engine
moves a tag, and no engine's word counts: the caller reads back what arrived.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind
from image_sync.model import Endpoint, Security
from image_sync.oci import Digest


class CopyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One copy: what, from where, to where, and how far the two may be trusted.

    Attributes:
        digest: The manifest or index that is copied; nothing is ever copied by tag.
        source_security: How the connection to the source turned out when it was checked.
        target_security: The same for the cache.
        deadline: Seconds for this attempt.
        repair: The cache holds the manifest, but not everything below it.
    """

    source: Endpoint
    target: Endpoint
    digest: Digest
    source_security: Security
    target_security: Security
    deadline: float
    repair: bool = False

    @property
    def sides(self) -> tuple[tuple[Endpoint, Security], tuple[Endpoint, Security]]:
        """Source and target, each with how its connection turned out."""
        return (self.source, self.source_security), (self.target, self.target_security)


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


class Engine(Protocol):
    """Copies by digest."""

    @property
    def name(self) -> str:
        """As in configuration, report and logs."""

    async def refusal(self, request: CopyRequest) -> Refusal | None:
        """Why it will not do this copy; None if it can."""

    async def copy(self, request: CopyRequest, progress: Callable[[int], None]) -> Copied:
        """Copy; `progress` gets the bytes moved so far, about once a second.

        Raises:
            EngineError: It did not work.
        """


class Credentials(Protocol):
    """Finds credentials."""

    async def find(self, host: str, path: str) -> Credential | None:
        """What is configured for a repository of a canonical host; None for anonymous."""
