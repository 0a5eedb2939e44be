"""Events as metrics, for Prometheus: counted as they come, told when somebody asks.

Names follow prometheus.io/docs/practices/naming; docs/metrics.md lists them all, and a test holds
that it does. Labels are of closed sets, but for `registry`: a configured host, or `other`. There is
no label for an image; the log has those.

Not here: how metrics are told (`server/`). Not imported by `observe/__init__.py`, because quick
commands need no Prometheus library.
"""

import platform
import time

from prometheus_client import CollectorRegistry, disable_created_metrics

from image_sync import events
from image_sync.observe.metrics.hosts import OTHER, Hosts
from image_sync.observe.metrics.images import Images
from image_sync.observe.metrics.life import Life
from image_sync.observe.metrics.passes import Passes
from image_sync.observe.metrics.series import Clock, gauge

__all__ = ["OTHER", "Metrics"]


class Metrics:
    """A subscriber that counts.

    Attributes:
        registry: Where the metrics are; of this object only.

    Args:
        version: That of image-sync.
        clock: Seconds since 1970.
    """

    def __init__(self, version: str, clock: Clock = time.time) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for each series
        self.registry = CollectorRegistry()
        build = gauge(
            self.registry, "build_info", "What runs here; always 1.", "version", "python_version"
        )
        build.labels(version, platform.python_version()).set(1)
        self._passes = Passes(self.registry, clock)
        self._images = Images(self.registry)
        self._hosts = Hosts(self.registry, clock)
        self._life = Life(self.registry, clock)

    def __call__(self, event: events.Event) -> None:
        """Count one event."""
        match event:
            case events.RequestFinished():  # first: thousands in a second
                self._hosts.answered(event)
            case events.ImageFinished() | events.ImageVerified() | events.TagMoved():
                self._images(event)
            case events.HostPaused() | events.PullQuota() | events.CircuitOpened():
                self._hosts(event)
            case events.PassFinished() | events.PassPlanned():
                self._passes(event)
            case events.ConfigAdopted(specs=specs):
                self._images.adopt(specs)
                self._hosts.adopt(specs)
                self._life(event)
            case events.ConfigRejected() | events.LeadershipChanged():
                self._life(event)
            case _:
                pass  # news for the log: nothing that adds up
