"""Digests exist in their canonical spelling only, and tell true content from false."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import Digest

EMPTY_SHA256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(EMPTY_SHA256, id="sha256"),
        pytest.param(f"sha512:{hashlib.sha512(b'').hexdigest()}", id="sha512"),
    ],
)
def test_registered_algorithms_are_read(text: str) -> None:
    """sha256 and sha512 are printed back as they were, and match the bytes they were made of."""
    digest = Digest.parse(text)
    assert str(digest) == text
    assert digest.matches(b"")
    assert not digest.matches(b"x")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("sha256", id="no-colon"),
        pytest.param("sha256:", id="no-digits"),
        pytest.param(EMPTY_SHA256[:-1], id="a-digit-short"),
        pytest.param(EMPTY_SHA256 + "0", id="a-digit-long"),
        pytest.param(EMPTY_SHA256.upper(), id="upper-case"),
        pytest.param("sha256:" + EMPTY_SHA256[7:].upper(), id="upper-case-digits"),
        pytest.param(EMPTY_SHA256 + "\n", id="newline"),
        pytest.param(" " + EMPTY_SHA256, id="space"),
        pytest.param(EMPTY_SHA256[:-1] + "\n", id="newline-for-the-last-digit"),
        pytest.param(EMPTY_SHA256[:-1] + "g", id="no-hexadecimal"),
        pytest.param("sha256:" + "٣" * 64, id="digits-of-another-script"),
        pytest.param("sha512:" + "0" * 64, id="sha512-of-the-length-of-sha256"),
        pytest.param("sha384:" + "0" * 96, id="sha384"),
        pytest.param("md5:" + "0" * 32, id="md5"),
        pytest.param("sha256:../../" + "0" * 58, id="path"),
        pytest.param("sha256+b64:" + "0" * 64, id="encoded"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """One content has one spelling, so comparing digests compares contents."""
    with pytest.raises(ValueError, match="is not a digest: expected"):
        Digest.parse(text)


@given(st.binary(), st.sampled_from(["sha256", "sha512"]))
def test_the_digest_of_bytes_reads_as_itself(content: bytes, algorithm: str) -> None:
    """Text and value say the same, and no other bytes match."""
    digest = Digest.of(content, algorithm)
    assert Digest.parse(str(digest)) == digest
    assert digest.matches(content)
    assert not digest.matches(content + b"\0")


@given(st.text() | st.from_regex(r"sha(256|512):[0-9a-fA-F]{60,130}"))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    """Nothing but ValueError is raised; what is accepted is printed back unchanged."""
    try:
        digest = Digest.parse(text)
    except ValueError as error:
        assert len(str(error)) < 2_000  # noqa: PT017 - a refusal is as good an answer
    else:
        assert str(digest) == text
