"""What a request is going to do at a registry, as a token has to allow it.

distribution's docs/content/spec/auth/scope.md. Asked for no more than is needed: reading at the
source, reading and writing at the target, and what is beyond that only where it is done.
"""

import msgspec

from image_sync.errors import Side
from image_sync.model import Endpoint
from image_sync.oci import Repository


class Access(msgspec.Struct, frozen=True):
    """One repository and what is done there.

    Attributes:
        endpoint: The repository; its side says whether it is written.
        mounts: Another repository of the registry, which a blob is taken from.
        deletes: True if something is deleted.
    """

    endpoint: Endpoint
    mounts: Repository | None = None
    deletes: bool = False

    @property
    def actions(self) -> str:
        """What is done, in the words of scopes."""
        written = "pull" if self.endpoint.side is Side.SOURCE else "pull,push"
        return f"{written},delete" if self.deletes else written

    @property
    def scopes(self) -> tuple[str, ...]:
        """What one token must allow all together."""
        own = f"repository:{self.endpoint.repository.path}:{self.actions}"
        return (own, f"repository:{self.mounts.path}:pull") if self.mounts else (own,)
