"""The process as metrics: its configuration, and whether it is the one that works."""

from prometheus_client import CollectorRegistry, Gauge

from image_sync.events import ConfigAdopted, ConfigRejected, LeadershipChanged
from image_sync.observe.metrics.series import Clock, gauge, moment


class Life:
    """The process: its configuration, and whether it is the one that works."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._loaded = gauge(
            registry, "config_last_reload_successful", "1 if the last change was taken over."
        )
        self._when = moment(
            registry, "config_last_reload_success", "When a configuration was last taken over."
        )
        self._leader: Gauge | None = None

    def __call__(self, event: ConfigAdopted | ConfigRejected | LeadershipChanged) -> None:
        """Note what holds from now on."""
        match event:
            case ConfigAdopted():
                self._loaded.set(1)
                self._when.set(self._clock())
            case ConfigRejected():
                self._loaded.set(0)
            case LeadershipChanged(leads=leads):
                # Without a Lease there is none to count: sum() over all replicas must be 1.
                self._leader = self._leader or gauge(
                    self._registry, "leader", "1 if this replica works, 0 if it waits."
                )
                self._leader.set(leads)
