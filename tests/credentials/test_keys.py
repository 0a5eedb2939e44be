"""What the keys of docker config files stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.credentials.keys import Key, parse_key
from image_sync.oci.reference import parse_host


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ghcr.io", Key("ghcr.io", "")),
        ("GHCR.io", Key("ghcr.io", "")),
        ("https://ghcr.io", Key("ghcr.io", "")),
        ("HTTPS://ghcr.io/", Key("ghcr.io", "")),
        ("https://ghcr.io/v2/", Key("ghcr.io", "")),
        ("ghcr.io:443", Key("ghcr.io", "")),
        ("http://localhost:5000", Key("localhost:5000", "")),
        ("[::1]:5000", Key("[::1]:5000", "")),
        ("https://index.docker.io/v1/", Key("docker.io", "")),
        ("https://index.docker.io/v1/access-token", Key("docker.io", "v1/access-token")),
        ("index.docker.io/v1/", Key("docker.io", "")),
        ("registry-1.docker.io", Key("docker.io", "")),
        ("docker.io/library", Key("docker.io", "library")),
        ("quay.io/team/app/", Key("quay.io", "team/app")),
        ("quay.io/v2", Key("quay.io", "v2")),
        ("", None),
        ("*.example.com", None),
        ("ftp://x", None),
        ("a b", None),
    ],
)
def test_a_key_is_a_host_and_a_namespace(text: str, key: Key | None) -> None:
    """Whatever tool wrote it."""
    assert parse_key(text) == key


@pytest.mark.parametrize(
    ("namespace", "path", "covered"),
    [
        ("", "a", True),
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "ab", False),
        ("a/b", "a", False),
    ],
)
def test_a_namespace_ends_at_a_slash(namespace: str, path: str, *, covered: bool) -> None:
    """`host/team` is not `host/teamwork`."""
    assert Key("h", namespace).covers("h", path) is covered
    assert not Key("h", namespace).covers("other", path)


@given(st.text())
def test_any_text_is_a_key_or_none(text: str) -> None:
    """With a host that is canonical already."""
    key = parse_key(text)
    assert key is None or parse_host(key.host) == key.host
