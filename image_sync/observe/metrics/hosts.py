"""Registries as metrics: what was asked of them, and what they allow."""

from collections.abc import Sequence
from itertools import chain

from prometheus_client import CollectorRegistry, Counter, Histogram

from image_sync.events import CircuitOpened, HostPaused, PullQuota, RequestFinished
from image_sync.model import ImageSpec
from image_sync.observe.metrics.series import NONE, Clock, counter, durations, gauge, moment

OTHER = "other"
"""The registry of hosts that no image names: token servers, and where redirects lead."""
_ALL, _PULLS = "all", "pulls"
_REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Up to the deadline of an answer: docs/design.md, section Registry client."""

_Request = tuple[str, str, int | None]  # registry, method, first digit of the status


class Hosts:
    """Registries: what was asked of them, and what they allow."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._configured: frozenset[str] = frozenset()
        self._requests = counter(
            registry, "requests_total", "Requests to registries.", "registry", "method", "status"
        )
        self._duration = durations(
            registry,
            "request",
            "How long the headers of an answer took.",
            _REQUEST_SECONDS,
            "registry",
        )
        self._paused = moment(
            registry,
            "paused_until",
            "Until when a registry asked to be left alone.",
            "registry",
            "requests",
        )
        self._remaining = gauge(
            registry, "pull_quota_remaining", "Pulls that a registry has left for us.", "registry"
        )
        self._limit = gauge(
            registry, "pull_quota_limit", "Pulls that a registry allows at all.", "registry"
        )
        self._circuits = counter(
            registry, "circuits_opened_total", "Times that a registry kept failing.", "registry"
        )
        # Finding a series by its labels costs three times what counting in it does (measured).
        self._counters: dict[_Request, tuple[Counter, Histogram]] = {}

    def __call__(self, event: HostPaused | PullQuota | CircuitOpened) -> None:
        """Note what a registry asks for, or leaves."""
        host = self._label(event.host)
        match event:
            case CircuitOpened():
                self._circuits.labels(host).inc()
            case _ if host == OTHER:
                pass  # several hosts in one gauge would say nothing of any
            case HostPaused(seconds=seconds, pulls_only=pulls_only):
                what = _PULLS if pulls_only else _ALL
                self._paused.labels(host, what).set(self._clock() + seconds)
            case PullQuota(limit=limit, remaining=remaining):
                self._limit.labels(host).set(limit)
                self._remaining.labels(host).set(remaining)

    def answered(self, event: RequestFinished) -> None:
        """Count a request."""
        digit = None if event.status is None else event.status // 100
        key = (self._label(event.host), event.method, digit)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = self._series(*key)
        found[0].inc()
        found[1].observe(event.duration)

    def adopt(self, specs: Sequence[ImageSpec]) -> None:
        """Take over which registries have a name here; what others allow is not told any more."""
        before = self._configured
        self._configured = frozenset(
            chain.from_iterable((spec.source.host, spec.target.host) for spec in specs)
        )
        for gone in before - self._configured:
            self._limit.remove(gone)
            self._remaining.remove(gone)
            for what in (_ALL, _PULLS):
                self._paused.remove(gone, what)

    def _label(self, host: str) -> str:
        return host if host in self._configured else OTHER

    def _series(self, host: str, method: str, digit: int | None) -> tuple[Counter, Histogram]:
        status = NONE if digit is None else f"{digit}xx"
        return self._requests.labels(host, method, status), self._duration.labels(host)
