"""When what is worked on, and how much at once.

Keys and groups are opaque here: this package knows nothing of images, registries or passes.
"""

from image_sync.schedule.lane import Lane
from image_sync.schedule.places import Place
from image_sync.schedule.queue import DueQueue

__all__ = ["DueQueue", "Lane", "Place"]
