"""Parts of blobs: RFC 9110, section 14, and Content-Range as the OCI distribution spec has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.embedded.ranges import Part, parse_chunk, parse_range
from image_sync.embedded.refusal import RefusedError

SIZES = st.integers(0, 1 << 40)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        pytest.param("bytes=5-9", Part(5, 10), id="in-the-middle"),
        pytest.param("bytes=0-0", Part(0, 1), id="first-byte"),
        pytest.param("bytes=5-", Part(5, 20), id="to-the-end"),
        pytest.param("bytes=-5", Part(15, 20), id="last-bytes"),
        pytest.param("bytes=-50", Part(0, 20), id="more-last-bytes-than-there-are"),
        pytest.param("bytes=15-99", Part(15, 20), id="beyond-the-end"),
        pytest.param("bytes=0-1,4-5", None, id="several-are-ignored"),
        pytest.param("bytes=-", None, id="nothing-said"),
        pytest.param("lines=1-2", None, id="other-unit"),
        pytest.param("", None, id="empty"),
        pytest.param(f"bytes=0-{'9' * 20}", None, id="absurd"),
        pytest.param("bytes=\u0661-\u0662", None, id="digits-of-another-script"),
    ],
)
def test_the_part_that_is_asked_for(text: str, part: Part | None) -> None:
    """Of twenty bytes; None means that all of them are sent."""
    assert parse_range(text, 20) == part


@pytest.mark.parametrize("text", ["bytes=20-", "bytes=20-30", "bytes=5-0", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(text: str) -> None:
    """416; `5-0` too, as the conformance suite wants it."""
    with pytest.raises(RefusedError) as refused:
        parse_range(text, 20)
    assert refused.value.status == 416
    assert refused.value.headers == {"Content-Range": "bytes */20"}


@given(size=SIZES, data=st.data())
def test_every_part_comes_through(size: int, data: st.DataObject) -> None:
    """As it was meant."""
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start + 1, size + 1))
    if stop <= size:
        assert parse_range(f"bytes={start}-{stop - 1}", size) == (start, stop)
    assert parse_chunk(f"{start}-{stop - 1}") == (start, stop)
    assert parse_chunk(f"bytes {start}-{stop - 1}/{size}") == (start, stop)


@given(text=st.text(max_size=40) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}"), size=SIZES)
def test_any_range_is_within_the_blob_or_refused(text: str, size: int) -> None:
    """And never empty."""
    try:
        part = parse_range(text, size)
    except RefusedError:
        return
    assert part is None or 0 <= part.start < part.stop <= size


@pytest.mark.parametrize("text", ["", "5", "5-", "-5", "9-5", "a-b", "1-2-3", "1-\u0662"])
def test_what_is_no_chunk_is_none(text: str) -> None:
    """It is refused by who asks."""
    assert parse_chunk(text) is None


@given(text=st.text(max_size=40) | st.from_regex(r"(bytes )?\d{0,20}-\d{0,20}(/\d*)?"))
def test_any_chunk_has_bytes_or_is_none(text: str) -> None:
    """A chunk of nothing is none."""
    part = parse_chunk(text)
    assert part is None or 0 <= part.start < part.stop
