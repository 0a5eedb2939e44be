"""A configuration that was read, and where each of its values comes from."""

from collections.abc import Mapping

import msgspec

from image_sync.config.schema import Config
from image_sync.config.tree import Where


class Override(msgspec.Struct, frozen=True):
    """A value given on the command line, above environment and file.

    Attributes:
        path: The key: `cache_registry` or `settings.NAME`.
        value: Its text, as in a file.
        flag: The flag as people know it, such as `--cache`.
    """

    path: str
    value: str
    flag: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that fits the schema.

    Attributes:
        config: What it says.
        origins: Where its values stand, by path, as in `images[3].tag`; a path that is not in here
            has its default.
        files: The files it was read from.
        warnings: What is worth saying once about where it was read from, each in one line.
    """

    config: Config
    origins: Mapping[str, Where]
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def where(self, path: str) -> Where:
        """The place of a value, or of the nearest thing around it."""
        while path and path not in self.origins:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.origins.get(path) or Where(self.files[0] if self.files else "")
