"""Where an answer may send us, and what goes along."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.http import Origin, RefusedUrl, parse_origin
from image_sync.http.redirects import Hop, crossing, follow

BASE = "https://registry.example/v2/a/blobs/sha256:1?x=y"
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Range": "bytes=5-",
    "User-Agent": "image-sync",
    "Authorization": "Bearer canary",
    "Cookie": "canary",
    "X-Custom": "canary",
}


def hop(url: str = BASE) -> Hop:
    return Hop(url, parse_origin(url), HEADERS)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        pytest.param("/v2/b", "https://registry.example/v2/b", id="absolute-path"),
        pytest.param("other", "https://registry.example/v2/a/blobs/other", id="relative"),
        pytest.param("?hop=1", "https://registry.example/v2/a/blobs/sha256:1?hop=1", id="query"),
        pytest.param("//cdn.example/x", "https://cdn.example/x", id="scheme-relative"),
        pytest.param("https://cdn.example/x?s=%2Bb#f", "https://cdn.example/x?s=%2Bb", id="signed"),
        pytest.param("HTTPS://REGISTRY.example:443/z", "https://REGISTRY.example:443/z", id="case"),
    ],
)
def test_a_location_is_joined_to_where_it_came_from(location: str, url: str) -> None:
    """RFC 9110, section 10.2.2; the query keeps its escapes, a fragment is not sent."""
    assert follow("GET", 307, location, hop()).url == url


def test_nothing_of_ours_crosses_origins() -> None:
    """Fault row 33: no Authorization, no cookie, no custom header; also with another port only."""
    for location in ("https://cdn.example/x", "https://registry.example:8443/x"):
        assert dict(follow("GET", 302, location, hop()).headers) == {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Range": "bytes=5-",
            "User-Agent": "image-sync",
        }


def test_what_was_dropped_stays_dropped_on_the_way_back() -> None:
    """A redirect back to the registry does not get the credentials again."""
    away = follow("GET", 307, "https://cdn.example/x", hop())
    back = follow("GET", 307, BASE, away)
    assert "Authorization" not in back.headers


def test_everything_stays_within_an_origin() -> None:
    """Upper case and the default port are the same origin."""
    assert follow("GET", 301, "https://Registry.Example:443/z", hop()).headers == HEADERS


@pytest.mark.parametrize(
    ("method", "status", "location"),
    [
        pytest.param("GET", 307, "http://registry.example/x", id="https-to-http"),
        pytest.param("GET", 307, "http://cdn.example/x", id="https-to-http-elsewhere"),
        pytest.param("GET", 307, "ftp://cdn.example/x", id="ftp"),
        pytest.param("GET", 307, "file:///etc/passwd", id="file"),
        pytest.param("GET", 307, "https://user:pw@cdn.example/x", id="userinfo"),
        pytest.param("GET", 307, "https://cdn.example\\@registry.example/x", id="backslash"),
        pytest.param("GET", 307, "https://cdn.example:99999/x", id="port"),
        pytest.param("GET", 307, "https://cdn.example:0/x", id="port-zero"),
        pytest.param("GET", 307, "https://[::1/x", id="bracket"),
        pytest.param("GET", 307, "http:///x", id="no-host"),
        pytest.param("GET", 307, "https://cdn%2eexample/x", id="escaped-host"),
        pytest.param("GET", 307, "https://cdn.example/x y", id="space"),
        pytest.param("GET", 307, "https://cdn.example/\u00e4", id="not-ascii"),
        pytest.param("GET", 307, "https://cdn.example/" + "x" * 20_000, id="long"),
        pytest.param("PUT", 307, "https://cdn.example/x", id="upload-elsewhere"),
        pytest.param("POST", 302, "/x", id="upload-with-302"),
        pytest.param("PATCH", 303, "/x", id="upload-with-303"),
    ],
)
def test_a_redirect_is_refused(method: str, status: int, location: str) -> None:
    """Fault rows 34 to 36: what must not be followed is not."""
    with pytest.raises(RefusedUrl):
        follow(method, status, location, hop())


@pytest.mark.parametrize("status", [307, 308])
def test_an_upload_is_redirected_within_its_origin(status: int) -> None:
    """The method stays, and so do the credentials."""
    assert follow("PUT", status, "/elsewhere", hop()).headers == HEADERS


def test_plain_http_may_lead_to_https() -> None:
    """Upwards is allowed; it is another origin."""
    onward = follow("GET", 307, "https://registry.example/x", hop("http://registry.example/x"))
    assert onward.origin == Origin("https", "registry.example", 443)
    assert "Authorization" not in onward.headers


@given(st.text())
def test_any_location_is_followed_or_refused(location: str) -> None:
    """A hop to http or https, or one well-known error; never a downgrade."""
    try:
        onward = follow("GET", 307, location, hop())
    except RefusedUrl:
        return
    assert onward.origin.scheme == "https"
    assert onward.url.isascii()


@given(st.dictionaries(st.text(), st.text()))
def test_only_known_fields_cross(headers: dict[str, str]) -> None:
    """An allow list, whatever the fields are called."""
    allowed = {"accept", "accept-encoding", "if-range", "range", "user-agent"}
    assert {name.lower() for name in crossing(headers)} <= allowed
