"""A server's certificate and key: what is wrong with them is said before anybody connects."""

import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from image_sync.errors import ListenError
from image_sync.runtime.certificate import Certificate, context_of
from tests.real.tls import Authority


@pytest.fixture
def certificate(authority: Authority, tmp_path: Path) -> Certificate:
    """A pair that fits, for each test to spoil."""
    issued = authority.issue()
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(issued.certificate, chain)
    shutil.copy(issued.key, key)
    return Certificate(chain, key)


def test_old_versions_of_tls_are_refused(certificate: Certificate) -> None:
    """RFC 8996: 1.0 and 1.1 are not to be used."""
    assert context_of(certificate).minimum_version is ssl.TLSVersion.TLSv1_2


def _lose(path: Path) -> None:
    path.unlink()


def _make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _garble(path: Path) -> None:
    path.write_text("nothing of the kind")


def _garble_within(path: Path) -> None:
    first, *_, last = path.read_text().splitlines()
    path.write_text(f"{first}\nAAAA\n{last}\n")


def _exchange(path: Path) -> None:
    path.write_bytes(_key(serialization.NoEncryption()))


def _encrypt(path: Path) -> None:
    path.write_bytes(_key(serialization.BestAvailableEncryption(b"planted")))


def _key(encryption: serialization.KeySerializationEncryption) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


@pytest.mark.parametrize(
    ("spoilt", "spoil", "reason"),
    [
        pytest.param("tls.crt", _lose, "No such file or directory", id="no-certificate"),
        pytest.param("tls.key", _lose, "No such file or directory", id="no-key"),
        pytest.param("tls.crt", _make_directory, "Is a directory", id="unreadable-certificate"),
        pytest.param("tls.key", _make_directory, "Is a directory", id="unreadable-key"),
        pytest.param("tls.crt", _garble, "not a certificate in PEM", id="text-as-certificate"),
        pytest.param("tls.key", _garble, "not a private key in PEM", id="text-as-key"),
        pytest.param("tls.crt", _garble_within, "not a certificate in PEM", id="bad-certificate"),
        pytest.param("tls.key", _garble_within, "not a private key in PEM", id="bad-key"),
        pytest.param("tls.key", _exchange, "not the key of {chain}", id="key-of-another"),
        pytest.param("tls.key", _encrypt, "the key is encrypted", id="encrypted-key"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    certificate: Certificate, spoilt: str, spoil: Callable[[Path], None], reason: str
) -> None:
    """Which file, why, and what to do; nobody is asked for a password."""
    path = certificate.chain.with_name(spoilt)
    spoil(path)
    with pytest.raises(ListenError) as caught:
        context_of(certificate)
    reason = reason.format(chain=certificate.chain)
    assert str(caught.value) == f"cannot serve TLS with {path}: {reason}"
    assert "PEM" in caught.value.hint
