"""What one process works on: a configuration, and the images of it that are its own."""

import msgspec

from image_sync.config.resolve import Resolved
from image_sync.config.select import Shard
from image_sync.config.settings import LeaseEntry, ServerEntry, Settings
from image_sync.model import ImageSpec

_OUTSIDE = Settings()
"""What has its default here is no matter of how images are checked and copied."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What one process works on.

    Attributes:
        resolved: The configuration.
        specs: The images that `--image` and `--shard` leave.
        shard: Which part of the configuration they are.
        files: The files it was read from.
    """

    resolved: Resolved
    specs: tuple[ImageSpec, ...]
    shard: Shard
    files: tuple[str, ...] = ()

    def works_like(self, other: "Scope") -> bool:
        """True if images are checked and copied as under another one, whichever they are."""
        return _ways(self) == _ways(other)

    @property
    def fixed(self) -> tuple[ServerEntry, LeaseEntry | None]:
        """The settings that hold from the start of a process to its end."""
        return self.resolved.settings.server, self.resolved.settings.lease


def _ways(scope: Scope) -> tuple[object, ...]:
    """All that decides how images are checked and copied."""
    resolved = scope.resolved
    settings = msgspec.structs.replace(
        resolved.settings,
        interval_secs=_OUTSIDE.interval_secs,
        jitter_secs=_OUTSIDE.jitter_secs,
        schedule=_OUTSIDE.schedule,
        time_zone=_OUTSIDE.time_zone,
        shutdown_grace_secs=_OUTSIDE.shutdown_grace_secs,
        server=_OUTSIDE.server,
        lease=_OUTSIDE.lease,
    )
    return settings, resolved.hosts, resolved.cache, resolved.tool_is_named, scope.shard
