"""What is known of an image after its check: the value that decision, copy and report share."""

import msgspec

from image_sync.model import ImageSpec
from image_sync.oci import Digest, OnePlatform
from image_sync.sync.plan import ALGORITHM, Copy, Decision


class Checked(msgspec.Struct, frozen=True):
    """What is known of an image after its check, and what to do.

    Attributes:
        remote_digest: X, None if the source has none, was not reached, or was not asked.
        cached_digest: C, None if the cache has none or was not reached.
        pulls: Manifest GETs that a copy is taken to cost at the source.
        target_failed: The cache could not be checked, whatever the source answered.
        convert: Manifests of Docker's types become the OCI's.
        source_type: The media type of X, empty where nobody said.
    """

    spec: ImageSpec
    decision: Decision
    remote_digest: Digest | None
    cached_digest: Digest | None
    pulls: int
    target_failed: bool = False
    convert: bool = False
    source_type: str = ""

    @property
    def made_from(self) -> Digest | None:
        """X, where what is to be copied may be something that the source does not have."""
        x = self.remote_digest
        if not isinstance(self.decision, Copy) or x is None or x == self.decision.expected:
            return None
        child = isinstance(self.spec.platforms, OnePlatform) and x.algorithm == ALGORITHM
        return None if child and not self.convert else x
