"""Certificates made on the spot are what they are asked to be."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.real.tls import LOOPBACK, Authority, ServerCertificate


def handshake(context: ssl.SSLContext, server: ServerCertificate, name: str) -> None:
    """A handshake over a socket pair with a server that shows this certificate."""
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            server.server_context().wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with context.wrap_socket(near, server_hostname=name):
            pass
    finally:
        near.close()
        thread.join()


@pytest.mark.parametrize("name", LOOPBACK)
def test_a_certificate_is_good_for_every_loopback_name(authority: Authority, name: str) -> None:
    """Who trusts the CA trusts a server on any of them."""
    handshake(authority.client_context(), authority.issue(), name)


def test_an_expired_certificate_is_expired(authority: Authority) -> None:
    """Right name, right CA, wrong time."""
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(authority.client_context(), authority.issue(expired=True), "127.0.0.1")


def test_a_certificate_for_another_name_does_not_match(authority: Authority) -> None:
    """Right CA, right time, wrong name."""
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(authority.client_context(), authority.issue("other.example"), "127.0.0.1")


def test_another_ca_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    """A certificate that a stranger signed is refused."""
    stranger = Authority.stranger(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(authority.client_context(), stranger.issue(), "127.0.0.1")
