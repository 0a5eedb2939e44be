"""An address to listen on: three ways to write it, and words for every other."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.config.listen import parse_listen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("127.0.0.1:8080", ("127.0.0.1", 8080), id="ipv4"),
        pytest.param("0.0.0.0:80", ("0.0.0.0", 80), id="every-ipv4"),
        pytest.param("[::1]:8080", ("::1", 8080), id="ipv6"),
        pytest.param("[0:0::1]:8080", ("::1", 8080), id="ipv6-in-full"),
        pytest.param("[::]:8080", ("::", 8080), id="every-ipv6"),
        pytest.param(":8080", ("", 8080), id="every-address"),
        pytest.param("localhost:8080", ("127.0.0.1", 8080), id="localhost"),
        pytest.param(":0", ("", 0), id="any-port"),
        pytest.param("none", None, id="nowhere"),
    ],
)
def test_what_is_understood(text: str, expected: tuple[str, int] | None) -> None:
    """An address without brackets and a port."""
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("8080", "did you mean :8080?", id="port-alone"),
        pytest.param(
            "127.0.0.1", "expected HOST:PORT, :PORT for every address, or none", id="host"
        ),
        pytest.param("::1:8080", "expected HOST:PORT", id="ipv6-without-brackets"),
        pytest.param("[127.0.0.1]:8080", "no IP address", id="ipv4-in-brackets"),
        pytest.param("example.com:8080", "no IP address or localhost", id="name"),
        pytest.param("127.0.0.1:65536", "a port above 65535", id="port-too-high"),
        pytest.param("http://127.0.0.1:80", "expected HOST:PORT", id="url"),
        pytest.param("127.0.0.1:", "expected HOST:PORT", id="no-port"),
        pytest.param("127.0.0.1:٨٠", "expected HOST:PORT", id="other-digits"),
        pytest.param("", "expected HOST:PORT", id="empty"),
        pytest.param("None", "expected HOST:PORT", id="capital"),
    ],
)
def test_what_is_refused_says_what_is_expected(text: str, words: str) -> None:
    """So that nobody has to look it up."""
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        parse_listen(text)


@given(st.one_of(st.text(), st.from_regex(r"\A[\[\]a-f0-9.:%]*\Z")))
def test_any_text_gives_an_address_or_a_value_error(text: str) -> None:
    """And an address is one that a socket takes."""
    try:
        address = parse_listen(text)
    except ValueError:
        return
    if address is not None:
        host, port = address
        assert host == str(ipaddress.ip_address(host)) if host else text.startswith(":")
        assert 0 <= port <= 65_535
