"""Challenges are read as RFC 9110 writes them, and anything else is survived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.registry.challenge import Challenge, parse_challenges

TOKEN = "".join(map(chr, range(33, 127)))
WORDS = st.text(st.sampled_from([c for c in TOKEN if c not in '"(),/:;<=>?@[\\]{}']), min_size=1)
QUOTED = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
            [("bearer", "https://auth.docker.io/token", "registry.docker.io")],
            id="docker-hub",
        ),
        pytest.param(
            'Bearer realm="https://r/t",service="s",scope="repository:a:pull,push",error="x"',
            [("bearer", "https://r/t", "s")],
            id="a comma inside of a quoted scope divides nothing",
        ),
        pytest.param("BASIC REALM=here", [("basic", "here", None)], id="case, and no quotes"),
        pytest.param(
            'Basic realm="a", Bearer realm="https://r/t" , service = "s"',
            [("basic", "a", None), ("bearer", "https://r/t", "s")],
            id="two in one header",
        ),
        pytest.param("Negotiate, Basic realm=x", [("negotiate", None, None), ("basic", "x", None)]),
        pytest.param(
            "Negotiate abc==, Basic realm=x", [("negotiate", None, None), ("basic", "x", None)]
        ),
        pytest.param(r'Basic realm="a \"b\" \\"', [("basic", 'a "b" \\', None)], id="escapes"),
        pytest.param('Bearer realm="a",realm="b"', [("bearer", "a", None)], id="the first counts"),
        pytest.param("Basic", [("basic", None, None)], id="a scheme alone"),
        pytest.param("", [], id="nothing"),
        pytest.param('Bearer realm="https://never-ends', [("bearer", None, None)], id="open quote"),
    ],
)
def test_challenges_are_read(
    header: str, expected: list[tuple[str, str | None, str | None]]
) -> None:
    """Scheme, realm and service come out as registries mean them (fault row 1)."""
    found = parse_challenges(header)
    assert [(c.scheme, c.parameters.get("realm"), c.parameters.get("service")) for c in found] == (
        expected
    )


@given(st.text())
def test_any_text_is_survived(header: str) -> None:
    """No header makes the parser raise, and no text comes out that was not in it."""
    for challenge in parse_challenges(header):
        assert challenge.scheme
        assert challenge.scheme in header.lower()
        assert all(name == name.lower() for name in challenge.parameters)


@given(
    st.lists(
        st.tuples(WORDS, st.dictionaries(WORDS.map(str.lower), QUOTED, min_size=1, max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_what_was_written_is_read(challenges: list[tuple[str, dict[str, str]]]) -> None:
    """Any challenges, written with quoted values, come back the same and in order."""
    text = ", ".join(
        f"{scheme} {', '.join(f'{n}={_quoted(v)}' for n, v in parameters.items())}"
        for scheme, parameters in challenges
    )
    expected = tuple(Challenge(scheme.lower(), parameters) for scheme, parameters in challenges)
    assert parse_challenges(text) == expected


def test_a_huge_header_costs_little() -> None:
    """Only the first 8 KiB are looked at, whatever is repeated (fault row 62)."""
    assert len(parse_challenges("Basic a=b, " * 1_000_000)) < 1000


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
