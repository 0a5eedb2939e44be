"""What must hold after a kill. Pure: what was seen goes in, what does not hold comes out in words.

`before` is what the cache's tags named when the pass began, `found` what they name now, `wanted`
what the source names, all by `REPOSITORY:TAG`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tests.e2e.program import Report, Run
from tests.kill.walk import Tagged

Tags = Mapping[str, Tagged]

# Where image-sync keeps what it remembers, in the cache itself.
_LEDGER: Final = "image-sync/ledger:"
# What a result says of an image that the cache holds.
_CACHED: Final = frozenset({"already_cached", "pulled"})
# Characters of a run's log that are shown with a violation.
_TAIL: Final = 2000


def fits(found: Tagged | None, wanted: Tagged | None) -> bool:
    """Whether a tag names what it should; None for no tag, a digest "" for one that is made."""
    if found is None or wanted is None:
        return found is wanted
    return found.children == wanted.children and wanted.digest in {"", found.digest}


def outdated(found: Tags, wanted: Tags) -> list[str]:
    """Which tags do not name what the source names."""
    return [name for name, tagged in wanted.items() if not fits(found.get(name), tagged)]


def wrong_tags(before: Tags, found: Tags, wanted: Tags) -> Iterator[str]:
    """Tags that name neither what they named nor what they should, or that are gone or strange."""
    for name in sorted({*before, *found}):
        now, old = found.get(name), before.get(name)
        if name.startswith(_LEDGER):
            if now is None:
                yield f"{name} is gone"
        elif name not in wanted:
            yield f"{name} is there, and nobody asked for it"
        elif not (fits(now, wanted[name]) or fits(now, old)):
            yield f"{name} names {now}, not {wanted[name]} or, as before, {old}"


def wrong_ending(
    run: Run | None, codes: Iterable[int], names: Sequence[str], found: Tags, wanted: Tags
) -> Iterator[str]:
    """What a pass says of itself that is not so; None for one that did not end.

    Args:
        run: How it ended.
        codes: Exit codes that are right for what was done to it.
        names: `REPOSITORY:TAG` of its images, in the order of its report.
        found: As above.
        wanted: As above.
    """
    if run is None:
        yield "the pass did not end by itself in its time"
        return
    if run.code not in codes:
        yield f"the pass ended with {run.code}:\n{run.stderr[-_TAIL:]}"
    if "Traceback" in run.stderr:
        yield f"the pass ended with a traceback:\n{run.stderr[-_TAIL:]}"
    try:
        report = run.report
    except msgspec.MsgspecError as error:
        yield f"the pass has no report: {error}: {run.stdout[-_TAIL:]!r}"
    else:
        yield from _wrong_report(report, run.code, set(outdated(found, wanted)), names)


def _wrong_report(
    report: Report, code: int, stale: set[str], names: Sequence[str]
) -> Iterator[str]:
    for name, result in zip(names, report.results, strict=True):
        if result.action in _CACHED and name in stale:
            yield f"{name} is reported {result.action}, and the cache does not hold it"
        if result.action not in _CACHED and not result.error:
            yield f"{name} is reported {result.action} without an error"
    failed = sum(result.action not in _CACHED for result in report.results)
    if (code == 0) != (failed == 0):
        yield f"the pass ended with {code}, and reports {failed} images that are not in the cache"


def abandoned(left: Mapping[str, int]) -> Iterator[str]:
    """Uploads that a pass left open, and could have deleted.

    Args:
        left: The bytes of each.
    """
    for upload, size in left.items():
        yield f"an upload with {size} bytes is left open: {upload}"
