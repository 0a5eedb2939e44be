"""The images that pages name, as the sources in their stage have them."""

from collections.abc import Mapping
from typing import Final

from tests.real.content import Image, filler, index, layer, manifest
from tests.real.running import RunningRegistry

TAGS: Final = {
    "library/nginx": ("1.27",),
    "library/postgres": ("16", "17"),
    "library/redis": ("7",),
    "fluxcd/source-controller": ("v1.4.1", "v1.5.0"),
    "prometheus/prometheus": ("v3.1.0",),
    "team/app": ("1.4", "1.5"),
}
_SIZE: Final = 300_000
"""Bytes that an image has for itself; a tag has this once, and its repository once more."""


def push_all(registry: RunningRegistry, programs: Mapping[str, bytes]) -> None:
    """Put every image there, each for three platforms."""
    for repository, tags in TAGS.items():
        for tag in tags:
            registry.push(repository, tag, _image(programs, repository, tag))


def _image(programs: Mapping[str, bytes], repository: str, tag: str) -> Image:
    """An index whose images have a program, and layers of the repository and the tag."""
    return index(
        [
            manifest(
                [
                    layer({"hello": program}),
                    layer({"base": filler(_SIZE, repository)}),
                    layer({"tag": filler(_SIZE, f"{repository}:{tag}")}),
                ],
                platform,
                label=f"{repository}:{tag}",
            )
            for platform, program in programs.items()
        ]
    )
