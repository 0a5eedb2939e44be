"""JSON on which two readers could differ is refused (fault row 32)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import strictjson
from image_sync.oci.strictjson import JSON, MAX_DEPTH


def nested(levels: int) -> bytes:
    """Lists in lists, so many."""
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "Expecting value", id="empty"),
        pytest.param(b"{", "Expecting", id="cut-off"),
        pytest.param(b"{} {}", "Extra data", id="two-documents"),
        pytest.param(b'{"a":1,}', "Expecting|trailing comma", id="trailing-comma"),
        pytest.param(b"{'a':1}", "Expecting", id="single-quotes"),
        pytest.param(b'"a\nb"', "Invalid control character", id="raw-newline-in-text"),
        pytest.param(b"\xef\xbb\xbf{}", "BOM", id="byte-order-mark"),
        pytest.param('{"a":1}'.encode("utf-16"), "utf-8", id="utf-16"),
        pytest.param(b'"\xff"', "utf-8", id="no-utf-8"),
        pytest.param(b'{"a":1,"a":2}', "'a' stands twice", id="duplicate-key"),
        pytest.param(b'{"a":1,"A":2}', "'a' stands twice", id="case-variant"),
        pytest.param(
            '{"layers":1,"layer\N{LATIN SMALL LETTER LONG S}":2}'.encode(),
            "'layers' stands twice",
            id="long-s-is-an-s",
        ),
        pytest.param(
            '{"k":1,"\N{KELVIN SIGN}":2}'.encode(), "'k' stands twice", id="kelvin-sign-is-a-k"
        ),
        pytest.param(b'{"a":1,"\\u0061":2}', "'a' stands twice", id="escaped-duplicate"),
        pytest.param(b'[[{"b":[{"a":1,"a":1}]}]]', "'a' stands twice", id="duplicate-deep-down"),
        pytest.param(b"NaN", "NaN is not JSON", id="nan"),
        pytest.param(b'{"a":Infinity}', "Infinity is not JSON", id="infinity"),
        pytest.param(b"[-Infinity]", "-Infinity is not JSON", id="minus-infinity"),
        pytest.param(b"1e999", "too large", id="a-float-that-overflows"),
        pytest.param(b"9007199254740993", "too large", id="beyond-2-to-53"),
        pytest.param(b"-9007199254740993", "too large", id="beyond-minus-2-to-53"),
        pytest.param(b"1" * 100_000, "too large", id="a-hundred-thousand-digits"),
        pytest.param(nested(MAX_DEPTH + 1), "deeper than 32", id="one-level-too-deep"),
        pytest.param(nested(200_000), "deeper than 32", id="deeper-than-the-stack"),
        pytest.param(b'{"a":' * 200_000, "deeper than 32|Expecting", id="endless-objects"),
        pytest.param(b'"\\ud800"', "surrogates not allowed", id="half-a-surrogate-pair"),
        pytest.param(b'{"\\udfff":1}', "surrogates not allowed", id="half-a-pair-in-a-key"),
    ],
)
def test_refused(content: bytes, reason: str) -> None:
    """Each is a ValueError that says why, in printable words of bounded length."""
    with pytest.raises(ValueError, match=reason) as caught:
        strictjson.parse(content)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("content", "value"),
    [
        pytest.param(b"null", None, id="null"),
        pytest.param(b' {"a": [1, 2.5, true, "x"]} ', {"a": [1, 2.5, True, "x"]}, id="all-kinds"),
        pytest.param(b"9007199254740992", 2**53, id="2-to-53"),
        pytest.param(b"-9007199254740992", -(2**53), id="minus-2-to-53"),
        pytest.param(b'"\\ud83d\\ude00"', "\N{GRINNING FACE}", id="a-surrogate-pair"),
        pytest.param(
            b'{"config":{"Labels":{"Name":"a","name":"b"}}}',
            {"config": {"Labels": {"Name": "a", "name": "b"}}},
            id="labels-are-kept-apart-by-case",
        ),
        pytest.param(
            b'{"Volumes":{"/Data":{},"/data":{}}}',
            {"Volumes": {"/Data": {}, "/data": {}}},
            id="volumes-are-kept-apart-by-case",
        ),
        pytest.param(b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}], id="one-key-in-two-objects"),
    ],
)
def test_accepted(content: bytes, value: JSON) -> None:
    """What every reader reads alike is read, real image configs among it."""
    assert strictjson.parse(content) == value


def test_labels_twice_the_same_are_refused() -> None:
    """Free keys may differ by case, but not be the same."""
    with pytest.raises(ValueError, match="'name' stands twice"):
        strictjson.parse(b'{"Labels":{"name":"a","name":"b"}}')


def test_the_deepest_accepted_document() -> None:
    """32 levels are read."""
    assert strictjson.parse(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))


def test_a_duplicate_among_very_many_keys_is_found_in_time() -> None:
    """The largest document does not cost more than its size: 300,000 keys, the last one twice."""
    keys = ",".join(f'"{number}":0' for number in range(300_000))
    with pytest.raises(ValueError, match="'299999' stands twice"):
        strictjson.parse(f'{{{keys},"299999":0}}'.encode())


keys = st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(
            st.tuples(keys, inner), max_size=4, unique_by=lambda pair: pair[0].casefold()
        ).map(dict)
    ),
    max_leaves=15,
)


@given(values)
def test_unambiguous_values_survive(value: JSON) -> None:
    """What Python writes of a value without case variants is read as the same value."""
    assert strictjson.parse(json.dumps(value).encode()) == value
    assert strictjson.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(
    values
    | st.dictionaries(st.sampled_from("ab"), st.floats(allow_nan=False, allow_infinity=False))
)
def test_what_is_written_is_read_as_the_same_value_in_the_same_order(value: JSON) -> None:
    """And written again as the same bytes."""
    written = strictjson.dump(value)
    read = strictjson.parse(written)
    assert read == value
    assert strictjson.dump(read) == written


def test_what_is_written_is_compact_and_keeps_the_order_of_keys() -> None:
    """No white space, no escapes that need not be."""
    written = strictjson.dump({"b": [1, True, None], "a": {"ä": 0.5}})
    assert written == '{"b":[1,true,null],"a":{"ä":0.5}}'.encode()


@given(
    st.binary(max_size=100)
    | st.text(alphabet='{}[]:,"aA\\u0189eE+-.NIntfruls ', max_size=60).map(str.encode)
)
def test_any_bytes_are_a_value_or_refused(content: bytes) -> None:
    """Nothing but ValueError is raised, and what is read can be written as UTF-8."""
    try:
        value = strictjson.parse(content)
    except ValueError:
        return
    json.dumps(value, ensure_ascii=False).encode()
