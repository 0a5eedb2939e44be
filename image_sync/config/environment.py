"""Values from the environment: `IMAGE_SYNC_SETTINGS__CONCURRENCY=8`, `IMAGE_SYNC_CACHE_REGISTRY`.

One underscore after the prefix, two between levels. An empty variable counts as not set. Any other
variable with our prefix is an error, so that a typo shows; except the links that Kubernetes puts in
for every Service called `image-sync` or `image-sync-...`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from image_sync.config.convert import keys_of, struct_of
from image_sync.config.settings import Settings
from image_sync.config.wording import did_you_mean, printable
from image_sync.errors import Problem

PREFIX = "IMAGE_SYNC_"
RESERVED = frozenset({"IMAGE_SYNC_CONFIG", "IMAGE_SYNC_LOG_LEVEL", "IMAGE_SYNC_LOG_FORMAT"})
"""Variables that are no keys of the configuration."""

_SERVICE_LINK = re.compile(r"IMAGE_SYNC_(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_.*)?)")
"""Kubernetes, "Accessing the Service": environment variables."""
_ONLY_IN_FILES = ("IMAGE_SYNC_IMAGES", "IMAGE_SYNC_REGISTRIES")


def variables() -> dict[str, str]:
    """The path of each key that can be set, by its variable."""
    paths = ["cache_registry", *_paths(Settings, "settings")]
    return {PREFIX + path.replace(".", "__").upper(): path for path in paths}


def from_environment(environ: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """The variables that set a key, with their values, and what is wrong with the others."""
    known = variables()
    found = {name: text for name, text in environ.items() if name in known and text}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and not _expected(name))
    return found, [_complaint(name, known) for name in unknown if name not in known]


def _paths(struct: type, above: str) -> Iterator[str]:
    """The paths of all values below a key."""
    for name, known in keys_of(struct).items():
        inner = struct_of(known.type)
        path = f"{above}.{name}"
        yield from _paths(inner, path) if inner else [path]


def _expected(name: str) -> bool:
    return name in RESERVED or bool(_SERVICE_LINK.fullmatch(name))


def _complaint(name: str, known: Iterable[str]) -> Problem:
    if name.startswith(_ONLY_IN_FILES):
        text = "images and registries are set in the file only"
    else:
        text = f"unknown variable{did_you_mean(name, [*known, *sorted(RESERVED)])}"
    return Problem(f"{text}: unset it, or correct its name", printable(name))
