"""Watching: subscribers of events, which decide nothing.

The log is here; metrics and progress would be other subscribers of the same events.
"""

from image_sync.observe.log import EventLog, configure

__all__ = ["EventLog", "configure"]
