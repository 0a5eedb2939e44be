"""What registries hold: images that change at their sources, and the cache."""

from random import Random

from image_sync.errors import Side
from image_sync.model import Endpoint, ImageSpec, TlsPolicy
from image_sync.oci import AllPlatforms, Digest, Reference, Repository

CACHE = "cache.test"


def make_image(host: str, number: int, interval: float | None = None) -> ImageSpec:
    """Image number so-and-so of a host."""
    path = f"lab/app-{number}"
    return ImageSpec(
        image=f"{host}/{path}",
        tag="1",
        source=Endpoint(Side.SOURCE, Repository(host, path), TlsPolicy.VERIFY),
        source_tag="1",
        pin=None,
        target=Endpoint(Side.TARGET, Repository(CACHE, f"{host}/{path}"), TlsPolicy.VERIFY),
        target_tag="1",
        platforms=AllPlatforms(),
        interval=interval,
    )


class World:
    """What every registry holds.

    Args:
        random: Decides what changes.

    Attributes:
        cache: What the cache holds, by reference.
        changed: When an image changed last at its source, in seconds of the loop.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.cache: dict[Reference, Digest] = {}
        self.changed: dict[str, float] = {}
        self._held: dict[str, Digest] = {}
        self._versions = 0

    def publish(self, image: str, now: float) -> Digest:
        """Have an image change."""
        self._versions += 1
        self._held[image] = Digest.of(f"{image} {self._versions}".encode())
        self.changed[image] = now
        return self._held[image]

    def held(self, spec: ImageSpec) -> Digest | None:
        """What the source holds; None for an image that never was."""
        return self._held.get(spec.image)

    def copy_time(self) -> float:
        """Seconds that a copy takes: 20 as a rule, up to 20 minutes now and then."""
        if self.random.random() < 0.03:
            return self.random.uniform(300.0, 1200.0)
        return self.random.expovariate(1 / 20.0) + 1.0
