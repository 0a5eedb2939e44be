"""How long an image waits in a pass for hosts that are to be left alone. Pure."""

from image_sync.errors import ImageSyncError

PATIENCE = 60.0
"""Seconds that one image waits in a pass, all pauses together."""
_SLACK = 5.0
"""Seconds on top, for pauses that requests in flight together lengthen by moments."""
_SHORTEST_WAIT = 1.0
"""Seconds that an image waits at least when a host is to be left alone."""


def pause_after(error: ImageSyncError) -> float | None:
    """Seconds until a host may be asked again that failed; None if nobody said so.

    That is a host that is paused, or one that is down and whose circuit is open.
    """
    return None if error.retry_after is None else max(error.retry_after, _SHORTEST_WAIT)


def is_bearable(pause: float, waited: float) -> bool:
    """Whether an image that waited for some time already waits for another pause, in seconds."""
    return pause <= PATIENCE and waited + pause <= PATIENCE + _SLACK
