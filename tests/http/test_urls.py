"""URLs that the other side names are joined, bound to an origin, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.http import RefusedUrl, join, parse_origin, redacted_url, registry_origin

BASE = "https://r.example:5000/v2/a/blobs/uploads/?mount=x"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        pytest.param("/v2/a/u/1", "https://r.example:5000/v2/a/u/1", id="path"),
        pytest.param("1?_state=x", "https://r.example:5000/v2/a/blobs/uploads/1?_state=x"),
        pytest.param("https://o.example/u#part", "https://o.example/u", id="no fragment"),
        pytest.param("//o.example/u", "https://o.example/u", id="scheme of the request"),
        pytest.param(" /u ", "https://r.example:5000/u", id="white space"),
    ],
)
def test_a_reference_is_joined_with_the_request(reference: str, expected: str) -> None:
    """The forms of fault row 46 become absolute URLs."""
    assert join(BASE, reference) == expected


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        pytest.param("", "empty", id="nothing"),
        pytest.param(" ", "empty", id="white space"),
        pytest.param("ftp://o.example/u", "scheme", id="another scheme"),
        pytest.param("https://[::1/u", "not a URL", id="no host"),
        pytest.param("https://me:secret@o.example/u", "user name", id="user information"),
        pytest.param("https://o.example:0/u", "port", id="port 0"),
    ],
)
def test_what_is_no_url_is_refused_with_a_reason(reference: str, why: str) -> None:
    """In words that show nothing of it."""
    with pytest.raises(RefusedUrl, match=why) as caught:
        join(BASE, reference)
    assert "secret" not in str(caught.value)


@given(st.text(), st.text())
def test_any_reference_is_joined_or_refused(base: str, reference: str) -> None:
    """An absolute URL that has an origin, or one well-known error."""
    try:
        url = join(f"https://r.example/{base}", reference)
    except RefusedUrl:
        return
    assert parse_origin(url).scheme in {"http", "https"}
    assert "#" not in url


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://registry.example/", "registry.example"),
        ("https://registry.example:443/", "registry.example"),
        ("http://registry.example:443/", "registry.example:443"),
        ("http://[::1]:5000/x", "[::1]:5000"),
    ],
)
def test_an_origin_is_written_like_a_registry_host(url: str, authority: str) -> None:
    """The default port of its scheme is left out, IPv6 gets its brackets."""
    assert parse_origin(url).authority == authority


def test_docker_hub_answers_under_another_name() -> None:
    """What docker.io is asked is asked of registry-1.docker.io."""
    assert registry_origin("https", "docker.io") == parse_origin("https://registry-1.docker.io/")


@given(st.text(), st.text())
def test_no_query_or_password_survives_redaction(secret: str, path: str) -> None:
    """Whatever stands there."""
    canary = "canary42"
    url = f"https://user:{canary}{secret}@host/{path}?sig={canary}#{canary}"
    if "/" not in secret and "?" not in secret and "#" not in secret and canary not in path:
        assert canary not in redacted_url(url)
