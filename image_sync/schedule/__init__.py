"""When what is worked on, and how much at once.

Keys and groups are opaque here: this package knows nothing of images, registries or passes.
"""

from image_sync.schedule.agenda import Agenda, Due
from image_sync.schedule.clock import Clock, MachineClock
from image_sync.schedule.lane import Lane
from image_sync.schedule.places import Capacity, Place
from image_sync.schedule.queue import DueQueue
from image_sync.schedule.rhythm import Calendar, Calendared, Every, Jitter, Rhythm

__all__ = [
    "Agenda",
    "Calendar",
    "Calendared",
    "Capacity",
    "Clock",
    "Due",
    "DueQueue",
    "Every",
    "Jitter",
    "Lane",
    "MachineClock",
    "Place",
    "Rhythm",
]
