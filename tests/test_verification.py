"""The report of `image-sync verify`: what scripts read in it, and what people see."""

import io
import json
from datetime import UTC, datetime

from image_sync.errors import ErrorKind
from image_sync.model import Condition, Damage, Verified
from image_sync.oci import Digest
from image_sync.report import as_json
from image_sync.verification import Verification, make_verification, print_verification
from tests.cli.test_exit_codes import SPEC

X = Digest.of(b"x")
BEGAN = datetime(2026, 11, 23, 16, 13, 47, 95070, UTC)


def damage(count: int) -> tuple[Damage, ...]:
    """As many lost blobs."""
    digests = [Digest.of(f"{number}".encode()) for number in range(count)]
    return tuple(
        Damage(digest, f"the blob {digest} is missing", ErrorKind.BLOB_MISSING)
        for digest in digests
    )


WHOLE = Verified(spec=SPEC, condition=Condition.WHOLE, digest=X, duration=0.0671)
DAMAGED = Verified(
    spec=SPEC,
    condition=Condition.DAMAGED,
    digest=X,
    damage=damage(7),
    error="not healed: why",
    error_kind=ErrorKind.NOT_FOUND,
)
HEALED = Verified(spec=SPEC, condition=Condition.HEALED, digest=X, damage=damage(1))
UNKNOWN = Verified(
    spec=SPEC,
    condition=Condition.UNKNOWN,
    error="target: it is down",
    error_kind=ErrorKind.NETWORK,
)


def verification(*results: Verified) -> Verification:
    """The report of some results."""
    return make_verification(
        results, cache_registry="zot:5000", began=BEGAN, duration=1.2, deep=True
    )


def table(*results: Verified) -> str:
    """What people see of them."""
    stream = io.StringIO()
    print_verification(verification(*results), stream)
    return stream.getvalue()


def test_the_document_says_of_every_image_in_what_condition_it_is() -> None:
    """With the fields of a pass where they mean the same."""
    document = json.loads(as_json(verification(WHOLE, DAMAGED)))
    assert document["timestamp"] == "2026-11-23T16:13:47.095070+00:00"
    assert document["summary"] == {
        "whole": 1,
        "damaged": 1,
        "healed": 0,
        "missing": 0,
        "unknown": 0,
        "total": 2,
        "duration_ms": 1200,
        "deep": True,
    }
    whole, damaged = document["results"]
    assert whole == {
        "image": "a.example/a",
        "tag": "1",
        "platform": "all",
        "target": "c.example/a:1",
        "condition": "whole",
        "cached_digest": str(X),
        "damaged_parts": 0,
        "damage": [],
        "duration_ms": 67,
        "error": None,
        "error_kind": None,
    }
    assert damaged["damage"][0] == {
        "digest": str(DAMAGED.damage[0].digest),
        "what": DAMAGED.damage[0].what,
    }
    assert (damaged["damaged_parts"], damaged["error_kind"]) == (7, "not_found")


def test_a_document_stays_readable_when_everything_is_damaged() -> None:
    """The parts are counted, and not all listed."""
    lost = Verified(spec=SPEC, condition=Condition.DAMAGED, damage=damage(1_000))
    [row] = json.loads(as_json(verification(lost)))["results"]
    assert (row["damaged_parts"], len(row["damage"])) == (1_000, 100)


def test_people_see_the_damage_and_why_it_stays() -> None:
    """Below the table: the first parts, how many more, and the error."""
    text = table(WHOLE, DAMAGED)
    assert "7 parts" in text
    assert DAMAGED.damage[4].what in text
    assert DAMAGED.damage[5].what not in text
    assert "and 2 more" in text
    assert "not healed: why" in text
    assert text.endswith("2 images: 1 whole, 1 damaged, in 1.2 s (every byte read)\n")


def test_people_see_what_could_not_be_checked() -> None:
    """And of what was healed only that it was."""
    text = table(HEALED, UNKNOWN)
    assert "target: it is down" in text
    assert HEALED.damage[0].what not in text
    assert "0 whole, 0 damaged, 1 healed, 1 unknown" in text


def test_nothing_to_verify_is_one_line() -> None:
    """No empty table."""
    assert table() == "0 images: 0 whole, 0 damaged, in 1.2 s (every byte read)\n"
