"""Whose a URL is, and which one a Link names; no header raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.registry.urls import is_on, next_link


@pytest.mark.parametrize(
    ("url", "own"),
    [
        pytest.param("https://r.example/x", True, id="itself"),
        pytest.param("https://R.example:443/x", True, id="itself, written differently"),
        pytest.param("http://r.example/x", False, id="scheme"),
        pytest.param("https://r.example:444/x", False, id="port"),
        pytest.param("https://r.example.org/x", False, id="name"),
        pytest.param("https://r.example@evil.example/x", False, id="user information"),
        pytest.param(r"https://evil.example\@r.example/x", False, id="backslash"),
        pytest.param("/x", False, id="no URL"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, own: bool) -> None:  # noqa: FBT001
    """Whatever differs in one of the three is somebody else."""
    assert is_on("r.example", url, clear=False) is own


def test_docker_hub_answers_under_another_name() -> None:
    """What docker.io is asked is asked of registry-1.docker.io, so that one is itself."""
    assert is_on("docker.io", "https://registry-1.docker.io/v2/", clear=False)
    assert not is_on("docker.io", "https://docker.io/v2/", clear=False)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param('</v2/a/tags/list?last=b&n=2>; rel="next"', "/v2/a/tags/list?last=b&n=2"),
        pytest.param("</a>; rel=next", "/a", id="unquoted"),
        pytest.param('</a>; REL="Next"', "/a", id="case"),
        pytest.param('</p>; rel="prev", </n>; title="x, y"; rel="next"', "/n", id="the second"),
        pytest.param('</a;b,c>; rel="last next"', "/a;b,c", id="divisors inside of the target"),
        pytest.param('</a>; rel="nextone"', None, id="another relation"),
        pytest.param('</a>; title="rel=next"', None, id="words in a title"),
        pytest.param("</a>", None, id="no relation"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_next_page_is_found(header: str, expected: str | None) -> None:
    """RFC 8288: the link whose relation is `next`, wherever it stands (fault row 80)."""
    assert next_link(header) == expected


@given(st.text())
def test_no_header_raises(header: str) -> None:
    """Any Link gives a target or nothing; any text is somebody's URL or not."""
    link = next_link(header)
    assert link is None or link in header
    assert is_on("r.example", header, clear=True) in {True, False}


@given(st.lists(st.sampled_from('<>;,=" \trelnext/a'), max_size=60).map("".join))
def test_no_arrangement_of_a_link_raises(header: str) -> None:
    """Nor does any mixture of what Links are made of."""
    link = next_link(header)
    assert link is None or f"<{link}>" in header
