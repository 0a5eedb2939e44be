"""When passes begin, as the settings say together: every so many seconds, or as a calendar says."""

from zoneinfo import ZoneInfo

import msgspec

from image_sync.config.findings import Findings
from image_sync.config.settings import Settings
from image_sync.config.wording import quoted
from image_sync.schedule import Calendar


class Timing(msgspec.Struct, frozen=True):
    """When passes begin.

    Attributes:
        interval: Seconds from one to the next, where there is no calendar.
        jitter: Seconds by which each may be earlier or later.
        calendar: What the operator wrote in place of an interval.
    """

    interval: float
    jitter: float
    calendar: Calendar | None


def read_timing(settings: Settings, findings: Findings) -> Timing:
    """When passes begin; what is wrong is noted, and left out."""
    zone = _zone(settings.time_zone, findings) or ZoneInfo("UTC")
    calendar = None
    if settings.schedule is not None:
        calendar = _calendar(settings.schedule, zone, findings)
    most = settings.interval_secs // 2
    if settings.schedule is None and settings.jitter_secs > most:
        text = f"found {settings.jitter_secs}, expected at most half of settings.interval_secs"
        findings.add("settings.jitter_secs", f"{text}, which is {most}")
    return Timing(float(settings.interval_secs), float(settings.jitter_secs), calendar)


def _zone(name: str, findings: Findings) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # of which a folder of zones is one
        text = f"found {quoted(name)}, expected a time zone such as Europe/Berlin"
        findings.add("settings.time_zone", text)
        return None


def _calendar(expression: str, zone: ZoneInfo, findings: Findings) -> Calendar | None:
    try:
        return Calendar(expression, zone)
    except ValueError as error:
        text = f"found {quoted(expression)}, expected a cron expression such as */15 6-22 * * *"
        findings.add("settings.schedule", f"{text}: {error}")
        return None
