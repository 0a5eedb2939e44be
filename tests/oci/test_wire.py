"""Error bodies are evidence: anything is read, nothing in it reaches a terminal unescaped."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci.wire import WireErrors, parse_errors


def body(*errors: object) -> bytes:
    """A body as the distribution spec has it."""
    return json.dumps({"errors": errors}).encode()


@pytest.mark.parametrize(
    ("content", "codes", "message"),
    [
        pytest.param(b"", (), "", id="no-body"),
        pytest.param(
            body({"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}),
            ("MANIFEST_UNKNOWN",),
            "manifest unknown",
            id="one-error",
        ),
        pytest.param(
            body({"code": "A", "message": "first"}, {"code": "B", "message": "second"}),
            ("A", "B"),
            "first; second",
            id="two-errors-in-their-order",
        ),
        pytest.param(
            body({"code": "DENIED", "message": "no", "detail": {"name": "a/b"}}),
            ("DENIED",),
            'no ({"name": "a/b"})',
            id="detail",
        ),
        pytest.param(body({"code": "X", "detail": "why"}), ("X",), '("why")', id="detail-alone"),
        pytest.param(body({"code": "X"}), ("X",), "", id="code-alone"),
        pytest.param(body({"message": "x"}), (), "x", id="message-alone"),
        pytest.param(body({"code": 5, "message": ["x"]}), (), "", id="wrong-types"),
        pytest.param(body({"code": ""}), (), "", id="empty-code"),
        pytest.param(body("quota exceeded"), (), '{"errors": ["quota exceeded"]}', id="text"),
        pytest.param(body(), (), '{"errors": []}', id="no-errors"),
        pytest.param(b'{"errors":{"code":"A"}}', (), '{"errors":{"code":"A"}}', id="no-list"),
        pytest.param(b'{"message":"x"}', (), '{"message":"x"}', id="another-dialect"),
        pytest.param(b"[1]", (), "[1]", id="json-but-no-object"),
        pytest.param(b" too many requests\n", (), "too many requests", id="plain-text"),
        pytest.param(
            b"<html>\r\n<h1>502</h1>\r\n</html>",
            (),
            r"<html>\r\n<h1>502</h1>\r\n</html>",
            id="a-page-of-a-proxy",
        ),
        pytest.param(b"\xff\xfe", (), "\ufffd\ufffd", id="no-utf-8"),
    ],
)
def test_bodies(content: bytes, codes: tuple[str, ...], message: str) -> None:
    """The registry's codes and words where there are any, else an excerpt of what came."""
    assert parse_errors(content) == WireErrors(codes, message)


@pytest.mark.parametrize("field", ["code", "message", "detail"])
def test_control_characters_are_escaped(field: str) -> None:
    """No registry moves our cursor, hides text, or forges a line of the log."""
    found = parse_errors(body({field: "a\x1b[2J\nlevel=info \u202ex\x00"}))
    shown = " ".join((*found.codes, found.message))
    assert shown.isprintable()
    assert "level=info" in shown


def test_long_bodies_are_cut() -> None:
    """An excerpt is enough, of a page as of any number of errors."""
    assert parse_errors(b"x" * 65_536).message == "x" * 200 + "…"
    many = parse_errors(
        body(*[{"code": "A" * 999, "message": "b" * 999, "detail": "c" * 999}] * 99)
    )
    assert len(many.codes) == 10
    assert len(many.message) < 10 * 450


@pytest.mark.parametrize("depth", [100, *range(900, 1_010), 30_000])
def test_deep_bodies_are_read(depth: int) -> None:
    """Nesting beyond what Python reads, or just within it, is no error of ours."""
    nested = '{"errors":[{"code":"A","detail":' + "[" * depth + "1" + "]" * depth + "}]}"
    assert len(parse_errors(nested.encode()).message) < 500


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "code", "message", "detail", "x"]), inner)
    ),
    max_leaves=10,
)


@given(
    st.binary(max_size=300)
    | junk.map(lambda value: json.dumps(value).encode())
    | st.lists(junk, max_size=4).map(lambda errors: body(*errors))
)
def test_any_body_is_read(content: bytes) -> None:
    """Nothing is raised, and everything shown is one bounded printable line."""
    found = parse_errors(content)
    assert found.message.isprintable()
    assert all(code.isprintable() and code for code in found.codes)
    assert len(found.message) < 10 * 5_000
