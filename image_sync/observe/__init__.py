"""Watching: subscribers of events, which decide nothing.

Logs are here; metrics, progress and a board are other subscribers of the same events.
"""

from image_sync.observe.log import EventLog, configure

__all__ = ["EventLog", "configure"]
