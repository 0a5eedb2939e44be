"""What a kill loop plays in: a source, two caches, and images that move.

Belongs here: the registries, the images, and what the cache should hold of each. Who is killed,
and what is checked, is in `rounds.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.conftest import SOURCE_ADDRESS, set_up
from tests.e2e.program import Program
from tests.kill.walk import Tagged
from tests.real import images
from tests.real.accounts import OPERATOR
from tests.real.content import Image, filler, layer, manifest
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import bin_directory

BUILTIN: Final = "builtin"
TAG: Final = "1"
# No tool takes this loopback address for "local", as they do 127.0.0.1.
CACHE_ADDRESS: Final = "127.0.0.2"
# The two versions of CNCF distribution that are a cache by turns.
VERSIONS: Final = (3, 2)

# Bytes of one layer: with LIMIT, a pass over all images is about one second of copying.
LAYER: Final = 300_000
# Bytes per second of all copies together, so that there is a middle to be killed in.
LIMIT: Final = 3_500_000
# Images copied at once.
CONCURRENCY: Final = 4
# Seconds for one attempt to copy an image.
ATTEMPT_TIMEOUT: Final = 20

_AMD64: Final = "linux/amd64"
_ARM64: Final = "linux/arm64"
_ARM: Final = "linux/arm/v7"


class Kept(NamedTuple):
    """One image of the list.

    Attributes:
        platform: As configured; None for the default, which is linux/amd64.
        build: The image at the source, by label.
        held: What the cache should hold of it. An index that is made for a list of platforms is
            known by its children; its digest is "".
        by_tools: Whether crane can copy it.
    """

    repository: str
    platform: str | Sequence[str] | None
    build: Callable[[str], Image]
    held: Callable[[Image], Tagged]
    by_tools: bool = True

    @property
    def target(self) -> str:
        """Its `REPOSITORY:TAG` in the cache."""
        return f"{self.repository}:{TAG}"


def _whole(image: Image) -> Tagged:
    return Tagged(image.digest, tuple(child.digest for child in image.children))


def _child(platform: str) -> Callable[[Image], Tagged]:
    return lambda image: Tagged(image.child(platform).digest)


def _first_and_its_attestation(image: Image) -> Tagged:
    first, _, attestation, _ = image.children
    return Tagged("", (first.digest, attestation.digest))


def _bulk(label: str) -> Image:
    return images.bulk(LAYER, label, layers=3)


def _attested(label: str) -> Image:
    return images.with_attestations(_programs(label, _AMD64, _ARM64), label)


def _platforms(label: str) -> Image:
    return images.multi_platform(_programs(f"child {label}", _AMD64, _ARM64, _ARM), label)


def _on_a_base(name: str) -> Callable[[str], Image]:
    """An image of two layers; the first is the same for all of these with one label."""

    def build(label: str) -> Image:
        base = layer({"base": filler(2 * LAYER, f"base {label}")})
        own = layer({"own": filler(LAYER // 4, f"{name} {label}")})
        return manifest([base, own], _AMD64, label=label)

    return build


def _programs(label: str, *platforms: str) -> Mapping[str, bytes]:
    return {platform: filler(LAYER, f"{label} {platform}") for platform in platforms}


IMAGES: Final = (
    Kept("team/bulk", None, _bulk, _whole),
    Kept("team/index", "all", _attested, _whole),
    Kept("team/list", [_AMD64], _attested, _first_and_its_attestation, by_tools=False),
    Kept("team/child", _ARM64, _platforms, _child(_ARM64)),
    Kept("team/base-a", None, _on_a_base("a"), _whole),
    Kept("team/base-b", None, _on_a_base("b"), _whole),
    Kept("team/base-c", None, _on_a_base("c"), _whole),
)


class Cache(NamedTuple):
    """A cache, and the image-sync that fills it."""

    version: int
    registry: RunningRegistry
    program: Program


class Scene(NamedTuple):
    """What one kill loop plays in.

    Attributes:
        kept: The images of the list.
    """

    source: RunningRegistry
    caches: Sequence[Cache]
    kept: Sequence[Kept]

    def move(self, kept: Kept, label: str) -> Tagged:
        """Push an image with that label; what a cache should hold of it from now on."""
        image = kept.build(label)
        self.source.push(kept.repository, TAG, image)
        return kept.held(image)


@contextmanager
def scene(directory: Path, authority: Authority, engine: str) -> Iterator[Scene]:
    """A source on TLS with accounts, and a cache of either version; all empty."""
    serving = Serving(
        address=SOURCE_ADDRESS, authority=authority, accounts=(OPERATOR,), record=True
    )
    kept = [each for each in IMAGES if each.by_tools or engine == BUILTIN]
    with ExitStack() as stack:
        source = stack.enter_context(distribution(directory / "source", serving))
        caches = []
        for version in VERSIONS:
            folder = directory / f"cache-{version}"
            running = distribution(folder, Serving(address=CACHE_ADDRESS), version=version)
            registry = stack.enter_context(running)
            program = _program(folder, source, registry, engine)
            for each in kept:
                keys = {} if each.platform is None else {"platform": each.platform}
                program.add(source, each.repository, TAG, **keys)
            caches.append(Cache(version, registry, program))
        yield Scene(source, caches, kept)


def _program(
    directory: Path, source: RunningRegistry, cache: RunningRegistry, engine: str
) -> Program:
    tools = {} if engine == BUILTIN else {engine: engine}
    program = set_up(directory, source, cache, bin_directory(directory / "bin", tools), engine)
    program.settings |= {
        "concurrency": CONCURRENCY,
        "pull_timeout_secs": ATTEMPT_TIMEOUT,
    }
    if engine == BUILTIN:  # a tool does not keep it
        program.settings["bandwidth_limit"] = LIMIT
    return program
