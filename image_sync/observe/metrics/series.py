"""Single metrics, each with our prefix and in a registry of its own."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Clock = Callable[[], float]
"""Seconds since 1970."""
NONE = "none"
"""The label of what there was not: a status, a side."""


def counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    """What only grows."""
    return Counter(f"image_sync_{name}", text, labels, registry=registry)


def gauge(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    """What goes up and down."""
    return Gauge(f"image_sync_{name}", text, labels, registry=registry)


def moment(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Gauge:
    """A point in time; 0 until there was one."""
    return gauge(registry, f"{name}_timestamp_seconds", f"{text} Seconds since 1970.", *labels)


def durations(
    registry: CollectorRegistry, name: str, text: str, bounds: Sequence[float], *labels: str
) -> Histogram:
    """How long something took; the bounds of its buckets are in seconds."""
    name = f"image_sync_{name}_duration_seconds"
    return Histogram(name, text, labels, registry=registry, buckets=bounds)
