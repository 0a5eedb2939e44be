"""Which registries some images have to do with."""

from collections.abc import Iterable
from typing import NamedTuple

from image_sync.errors import Side
from image_sync.model import Endpoint, ImageSpec, TlsPolicy


class Key(NamedTuple):
    """What makes two endpoints belong to one registry that is asked in one way."""

    side: Side
    host: str  # canonical
    tls: TlsPolicy

    @classmethod
    def of(cls, endpoint: Endpoint) -> "Key":
        """Where an endpoint is."""
        return cls(endpoint.side, endpoint.host, endpoint.tls)


class Site(NamedTuple):
    """A registry, as a source or as the cache.

    Attributes:
        greeted: An endpoint there, for what is no matter of repositories.
        specs: The images that have to do with it; none if it is a cache without images.
    """

    key: Key
    greeted: Endpoint
    specs: list[ImageSpec]

    @property
    def subject(self) -> str:
        """What findings call it."""
        side = "cache" if self.key.side is Side.TARGET else "source"
        return f"{side} {self.key.host}"


def sites_of(specs: Iterable[ImageSpec], cache: Endpoint) -> list[Site]:
    """The registries of some images, the cache first.

    Args:
        specs: The images.
        cache: An endpoint of the cache, for when there are none.
    """
    targets: dict[Key, Site] = {}
    sources: dict[Key, Site] = {}
    for spec in specs:
        for endpoint, sites in ((spec.target, targets), (spec.source, sources)):
            key = Key.of(endpoint)
            sites.setdefault(key, Site(key, endpoint, [])).specs.append(spec)
    if not targets:
        targets[Key.of(cache)] = Site(Key.of(cache), cache, [])
    return [*targets.values(), *sources.values()]
