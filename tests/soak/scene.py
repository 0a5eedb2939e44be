"""What a soak plays in: two sources, a cache, many small images, and the list of them.

Belongs here: the registries, the images, and what the cache should hold of each. What happens to
them is in `trouble.py`.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.conftest import SOURCE_ADDRESS
from tests.e2e.program import Program
from tests.kill.scene import CACHE_ADDRESS, TAG, Kept
from tests.kill.walk import Tagged
from tests.real import images
from tests.real.accounts import OPERATOR
from tests.real.content import Image, filler
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import bin_directory

# Tools that are preferred by turns; image-sync itself is the third.
TOOLS: Final = {"crane": "crane", "skopeo": "skopeo-1.18"}
# Bytes of one layer: most of a copy is requests, so that there are many copies.
LAYER: Final = 20_000
# Seconds between passes.
INTERVAL: Final = 5
# Seconds for one attempt to copy an image: a registry that is killed is back sooner.
ATTEMPT_TIMEOUT: Final = 10

_AMD64: Final = "linux/amd64"
_ARM64: Final = "linux/arm64"


def _single(label: str) -> Image:
    return images.bulk(LAYER, label)


def _layers(label: str) -> Image:
    return images.bulk(LAYER, label, layers=3)


def _index(label: str) -> Image:
    programs = {each: filler(LAYER, f"{label} {each}") for each in (_AMD64, _ARM64)}
    return images.with_attestations(programs, label)


def _whole(image: Image) -> Tagged:
    return Tagged(image.digest, tuple(child.digest for child in image.children))


def _child(image: Image) -> Tagged:
    return Tagged(image.child(_ARM64).digest)


# What images are like, by turns: platform, the image at the source, and what is held of it.
_KINDS: Final[tuple[tuple[str | None, Callable[[str], Image], Callable[[Image], Tagged]], ...]] = (
    (None, _single, _whole),
    (None, _layers, _whole),
    ("all", _index, _whole),
    (_ARM64, _index, _child),
)


class Scene:
    """What one soak plays in.

    Attributes:
        cache: The cache registry.
        sources: The source registries; images are on them by turns.
        program: The image-sync that fills the cache.
        kept: The images.
        wanted: What the cache should hold of each, by target.
    """

    def __init__(
        self, cache: RunningRegistry, sources: tuple[RunningRegistry, ...], program: Program
    ) -> None:
        self.cache = cache
        self.sources = sources
        self.program = program
        self.kept: list[Kept] = []
        self.wanted: dict[str, Tagged] = {}
        self._source_of: dict[str, RunningRegistry] = {}
        self._entries: dict[str, object] = {}
        self._moves = itertools.count()

    def add(self, count: int) -> None:
        """Have so many images at the sources and in the list."""
        for number in range(count):
            source = self.sources[number % len(self.sources)]
            kept = Kept(f"soak/image-{number:03}", *_KINDS[number % len(_KINDS)])
            keys = {"platform": kept.platform} if kept.platform else {}
            self.program.add(source, kept.repository, TAG, **keys)
            self.kept.append(kept)
            self._source_of[kept.target] = source
            self._entries[kept.target] = self.program.images[-1]
            self.move(kept)

    def move(self, kept: Kept) -> None:
        """Have its tag name another image."""
        image = kept.build(f"{kept.repository} {next(self._moves)}")
        self._source_of[kept.target].push(kept.repository, TAG, image)
        self.wanted[kept.target] = kept.held(image)

    def keep(self, kept: list[Kept]) -> None:
        """Have these images in the list, and no others."""
        self.program.images = [self._entries[each.target] for each in kept]


@contextmanager
def scene(directory: Path, authority: Authority, count: int) -> Iterator[Scene]:
    """Distribution 3 and 2.8 on TLS with accounts, and 3 as the cache; all images are there."""
    serving = Serving(address=SOURCE_ADDRESS, authority=authority, accounts=(OPERATOR,))
    with ExitStack() as stack:
        newer = stack.enter_context(distribution(directory / "newer", serving))
        older = stack.enter_context(distribution(directory / "older", serving, version=2))
        cache_serving = Serving(address=CACHE_ADDRESS)
        cache = stack.enter_context(distribution(directory / "cache", cache_serving))
        sources = (newer, older)
        stage = Scene(cache, sources, _program(directory, sources, cache))
        stage.add(count)
        yield stage


def _program(
    directory: Path, sources: tuple[RunningRegistry, ...], cache: RunningRegistry
) -> Program:
    path = bin_directory(directory / "bin", TOOLS)
    program = Program(directory / "image-sync", cache.host, path)
    for source in sources:
        program.trust(source)
    program.log_in({source.host: OPERATOR for source in sources})
    program.settings |= {
        "interval_secs": INTERVAL,
        "preferred_tool": "crane",
        "pull_timeout_secs": ATTEMPT_TIMEOUT,
        "server": {"listen": "none"},
        "verify_interval_secs": 60,
    }
    folder = program.directory / "tmp"
    folder.mkdir()
    program.environment["TMPDIR"] = str(folder)
    return program
