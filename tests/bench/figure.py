"""What every benchmark finds of a contender, whatever it did. Pure."""

from collections.abc import Sequence
from statistics import median

import msgspec

from tests.bench.measure import Run


class Figure(msgspec.Struct, frozen=True):
    """One contender at one latency."""

    contender: str
    latency_ms: float  # round trip
    runs: tuple[Run, ...]  # timed

    @property
    def wall_seconds(self) -> float:
        """Median over the rounds."""
        return median(run.wall_seconds for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        """Median over the rounds."""
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_rss_bytes(self) -> float:
        """Median over the rounds."""
        return median(run.peak_rss_bytes for run in self.runs)


def ratio(figures: Sequence[Figure], figure: Figure, ours: str) -> float | None:
    """How many times as long as ours at the same latency; above 1 is slower than ours."""
    for other in figures:
        if other.contender == ours and other.latency_ms == figure.latency_ms:
            return figure.wall_seconds / other.wall_seconds
    return None


def as_json(report: msgspec.Struct) -> bytes:
    """A report for programs: every run, not only medians."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2)
