"""What is no YAML is explained as the usual mistake that it is, at the place to mend."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.config import yamltree
from image_sync.errors import ConfigError


def explained(text: str) -> str:
    """The last problem of a text, which is that it ends here."""
    with pytest.raises(ConfigError) as caught:
        yamltree.parse(text.encode(), "f")
    return str(caught.value.problems[-1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("a:\n\tb: 1", "f:2:1: found a tab: indent with blanks", id="tab"),
        pytest.param("a:\n  - b: c\n  \td: e\n", "f:3:3: found a tab", id="tab-after-blanks"),
        pytest.param(
            "cache_registry:zot:5000\nimages: []\n",
            "f:1:16: found no blank after 'cache_registry:': write cache_registry: VALUE",
            id="no-blank-in-the-line-above",
        ),
        pytest.param(
            "a: 1\nconcurrency:4\n", "f:2:13: found no blank after", id="no-blank-in-the-last-line"
        ),
        pytest.param(
            "images:\n  - source:docker.io/x\n    tag: 1\n",
            "f:2:12: found no blank after 'source:'",
            id="no-blank-in-an-item",
        ),
        pytest.param(
            "images:\n  - nginx:1.27\n    platform: all\n",
            "f:3:5: found a line that is indented by 4 blanks, below line 2, which has a value",
            id="key-below-a-short-form",
        ),
        pytest.param(
            "images:\n  - localhost:5000/a:1\n    platform: all\n",
            "f:3:5: found a line that is indented",
            id="key-below-a-short-form-with-a-port",
        ),
        pytest.param("a: b: c\n", "f:1:5: found a second colon", id="second-colon"),
        pytest.param(
            'a: "zot\nb: []\n',
            'f:1:4: found no end of the quoted text: close it with "',
            id="quote",
        ),
        pytest.param(
            "a: 'zot\nb: 'x'\n",
            "f:1:4: found no end of the quoted text: close it with '",
            id="quote-that-ends-in-another-line",
        ),
        pytest.param(
            "a: 'it's'\n", "f:1:8: found 's' behind the end of a value", id="quote-inside"
        ),
        pytest.param('a: "\\d"\n', "f:1:5: found \\ with something", id="escape"),
        pytest.param("a: [1,\n", "f:2:1: found the end of the text where a value", id="list-cut"),
        pytest.param(
            "a: [1, 2\n", "f:1:4: found no ] for this [ up to the end of the text", id="list-open"
        ),
        pytest.param(
            "a: {b: 1\nc: 3\n", "f:1:4: found no } for this { up to line 2, column 2", id="map-open"
        ),
        pytest.param("a: [1,, 2]\n", "f:1:7: found ',' where a value should be", id="comma"),
        pytest.param(
            "images:\n  - source: a\n   tag: b\n",
            "f:3:4: found a line that is indented by 3 blanks, and the items since line 2 by 2",
            id="item-not-lined-up",
        ),
        pytest.param(
            "settings:\n  a: 1\n b: 2\n",
            "f:3:2: found a line that is indented by 1 blank, and the keys since line 1 by 0",
            id="key-not-lined-up",
        ),
        pytest.param(
            "images:\n  - source: a\n      tag: b\n",
            "f:3:7: found a line that is indented by 6 blanks, below line 2, which has a value",
            id="key-too-deep",
        ),
        pytest.param("a:\n  - a\n  b: c\n", "f:3:3: found a line without a -", id="key-in-a-list"),
        pytest.param("a: 1\n- b\n", "f:2:1: found a line with '-' among the keys", id="item-alone"),
        pytest.param(
            "just words\nand: more\n", "f:1:1: found 'just' without a colon", id="words-above-a-key"
        ),
        pytest.param("a: 1\nwords\n", "f:2:1: found 'words' without a colon", id="words-below"),
        pytest.param("a: @foo\n", "f:1:4: found '@': a value that begins so needs", id="at-sign"),
        pytest.param("a: *\n", "f:1:4: found '*' without a name", id="asterisk"),
        pytest.param("a: |x\n  b\n", "f:1:5: found 'x' behind | or >", id="block"),
        pytest.param("a: b\n{{- if }}\n", "f:2:1: found {{: is this a template", id="template"),
        pytest.param("%FOO\na: 1\n", "f:1:5: found the end of the line, which cannot", id="other"),
        pytest.param("[" * 2000, "f:1:1001: found more levels of nesting", id="nesting"),
    ],
)
def test_a_usual_mistake_is_named(text: str, says: str) -> None:
    """Place, what was found, and what to do; no word of the parser's."""
    assert explained(text).replace("not valid YAML: ", "", 1).startswith(says)


@given(
    text=st.text(
        st.sampled_from(string.ascii_lowercase[:3] + ":-[]{}'\"\\\t\n @*&!|>%,#\r\x85\u2028"),
        max_size=40,
    )
)
def test_whatever_is_wrong_has_a_place_in_the_text_and_plain_words(text: str) -> None:
    """Any text is a value or a problem; none of libyaml's terms is shown."""
    try:
        yamltree.parse(text.encode(), "f")
    except ConfigError as error:
        problem = error.problems[-1]
        _, line, column = problem.where.split(":")
        assert 1 <= int(line) <= len(text) + 2
        assert 1 <= int(column) <= len(text) + 2
        for word in ("token", "scalar", "mapping", "expected key", "context", "indicator"):
            assert word not in problem.message
