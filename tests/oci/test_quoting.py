"""Text from outside is seen for what it is, and does nothing to a terminal or a line of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci.quoting import escaped, printable, quoted


def test_printable_keeps_what_people_read() -> None:
    """Letters of any script and spaces stay, what cannot be seen is shown escaped."""
    assert printable("für 東京 a b") == "für 東京 a b"
    assert printable("a\u200bb\u00a0c\ud800") == r"a\u200bb\xa0c\ud800"
    assert printable("abcdef", limit=3) == "abc…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("nginx", "'nginx'", id="plain"),
        pytest.param("ng\u0456nx", r"'ng\u0456nx'", id="look-alike"),
        pytest.param("a\x1b[2J", r"'a\x1b[2J'", id="control"),
        pytest.param("a" * 150, "'" + "a" * 150 + "'", id="as-long-as-may-be"),
        pytest.param("a" * 151, "'" + "a" * 150 + "'…", id="too-long"),
    ],
)
def test_quoted_hides_nothing(text: str, shown: str) -> None:
    """What is not ASCII shows as such, and a long text is cut."""
    assert quoted(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_one_line(text: str) -> None:
    """Half characters, too; and all but `escaped` are bounded, at ten characters for one."""
    for show in (escaped, printable, quoted):
        assert show(text).isprintable()
    assert len(printable(text)) <= 10 * 201
    assert len(quoted(text)) <= 10 * 151
    if text.isprintable():
        assert escaped(text) == text
