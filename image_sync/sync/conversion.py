"""Which images are converted to the OCI's types: `settings.on_docker_manifest`, and what it learns.

Under `auto` an image is kept as it is, until the cache refuses it and takes it converted. What was
converted before, by this process or another, is `check.py`'s to find out: from the ledger, or from
what the cache holds. How it is done is `oci/conversion.py`'s business.
"""

from image_sync.events import Emit, Warned
from image_sync.model import DockerManifests, ImageSpec
from image_sync.oci import Digest, Reference, mediatypes
from image_sync.sync.checked import Checked
from image_sync.sync.making import Made
from image_sync.sync.plan import Copy

_REFUSES = (
    "{} refuses Docker's manifests: they are converted to the OCI's types for it, which changes "
    "their digests (settings.on_docker_manifest)"
)


class Conversion:
    """What is converted; lives as long as the process.

    Args:
        mode: What the operator wants.
        emit: Told of a cache that refuses Docker's types, because digests change there.
    """

    def __init__(self, mode: DockerManifests, emit: Emit) -> None:
        self._mode = mode
        self._emit = emit
        self._refused: dict[Reference, Digest | None] = {}
        """Images that the cache refused as they are, and what they become when converted."""
        self._refusing: set[str] = set()
        """Hosts that refused an image and took it converted."""

    @property
    def is_open(self) -> bool:
        """True if an image that was converted before is converted again."""
        return self._mode is DockerManifests.AUTO

    def applies(self, spec: ImageSpec, *, held: bool) -> bool:
        """True if an image is converted, whatever was done before.

        Args:
            spec: The image.
            held: The cache holds it as it is at the source, so it took that, whatever it refuses.
        """
        refusing = spec.target.host in self._refusing and not held
        refused = spec.target_reference in self._refused or refusing
        return self._mode is DockerManifests.CONVERT or refused

    def refused(self, checked: Checked) -> bool:
        """Learn that the cache did not take an image; True if it may take it converted."""
        single = checked.source_type == mediatypes.OCI_MANIFEST  # nothing of Docker's in it
        if not self.is_open or checked.convert or single:
            return False
        self._refused[checked.spec.target_reference] = None
        return True

    def made(self, spec: ImageSpec, made: Made) -> None:
        """Learn what an image becomes."""
        if made.converted and spec.target_reference in self._refused:
            self._refused[spec.target_reference] = made.expected

    def settled(self, checked: Checked) -> None:
        """Learn that the cache took an image."""
        taken = checked.decision.expected if isinstance(checked.decision, Copy) else None
        host = checked.spec.target.host
        if not taken or taken != self._refused.get(checked.spec.target_reference):
            return
        if host not in self._refusing:
            self._refusing.add(host)
            self._emit(Warned("conversion", _REFUSES.format(host)))

    def overtaken(self, checked: Checked) -> bool:
        """True if the cache turned out to refuse such an image after it was checked."""
        docker = checked.source_type in mediatypes.DOCKER
        held = checked.cached_digest is not None and checked.cached_digest == checked.remote_digest
        return docker and not checked.convert and self.applies(checked.spec, held=held)
