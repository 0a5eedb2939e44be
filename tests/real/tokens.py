"""A token server as Docker Hub and GHCR have one, for distribution's `auth: token`.

It signs ES256 JWTs whose header carries its certificate (`x5c`), which distribution 2.8
and 3 check against `rootcertbundle`. It runs on a thread of its own.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from typing_extensions import override

from tests.real.accounts import Account, read_basic
from tests.real.tls import ServerCertificate

SERVICE: Final = "image-sync-tests"
ISSUER: Final = "image-sync-tests-issuer"

# RFC 7518, section 3.4: r and s of P-256, 32 bytes each.
_COORDINATE_BYTES: Final = 32

# Docker's token specification: `repository:NAME:ACTION,ACTION`.
_SCOPE: Final = re.compile(r"(?P<type>[^:]+):(?P<name>.+):(?P<actions>[a-z*,]+)")


class TokenRequest(msgspec.Struct, frozen=True):
    """What somebody asked of the token server, and whether they got it."""

    username: str | None  # None: no credentials were sent
    service: str
    scopes: tuple[str, ...]
    status: int


class TokenServer:
    """Gives tokens at `realm`: `lifetime` seconds long, for whatever scope is asked for."""

    def __init__(
        self,
        directory: Path,
        *,
        address: str = "127.0.0.1",
        tls: ServerCertificate | None = None,
        accounts: tuple[Account, ...] = (),
        lifetime: float = 300.0,
    ) -> None:
        """`accounts` may have tokens; without any, everybody may.

        `lifetime` is in seconds and may be changed while it runs.
        """
        self.lifetime = lifetime
        self.anonymous = not accounts  # whether who shows no account gets a token too
        self.certificate = directory / "token-signer.pem"
        self._accounts = accounts
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._chain = _self_signed(self._key, self.certificate)
        self._lock = threading.Lock()
        self._requests: list[TokenRequest] = []
        self._answers: list[tuple[int, Mapping[str, str], bytes]] = []
        self._scheme = "https" if tls else "http"
        self._server = _Listener((address, 0), _Handler)
        self._server.tokens = self
        if tls is not None:
            context = tls.server_context()
            # The handshake belongs to the thread of the connection, not to accept().
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        """`HOST:PORT`."""
        address, port = self._server.server_address[:2]
        return f"{address!s}:{port}"

    @property
    def realm(self) -> str:
        """The URL for a challenge, on a port of its own."""
        return f"{self._scheme}://{self.host}/token"

    @property
    def requests(self) -> list[TokenRequest]:
        """What was asked, in order."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget what was asked."""
        with self._lock:
            self._requests.clear()

    def answer(
        self, status: int, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Give this answer to the next request, in place of a token."""
        with self._lock:
            self._answers.append((status, dict(headers or {}), body))

    def mint(self, *scopes: str, username: str = "") -> str:
        """A token for these scopes, without asking over the wire."""
        now = int(time.time())
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        claims = {
            "iss": ISSUER,
            "sub": username,
            "aud": SERVICE,
            "iat": now,
            "nbf": now - 10,
            "exp": now + int(self.lifetime),
            "jti": base64.b16encode(now.to_bytes(8, "big")).decode(),
            "access": [entry for scope in scopes if (entry := _access(scope))],
        }
        signed = f"{_segment(header)}.{_segment(claims)}"
        return f"{signed}.{_base64url(self._sign(signed.encode()))}"

    def respond(
        self, target: str, authorization: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body for one GET of the realm; counts it."""
        query = parse_qs(urlsplit(target).query)
        scopes = tuple(scope for each in query.get("scope", []) for scope in each.split(" "))
        presented = read_basic(authorization)
        with self._lock:
            answer = self._answers.pop(0) if self._answers else None
        if answer is None:
            answer = self._token(presented, scopes)
        asked = TokenRequest(
            presented.username if presented else None,
            query.get("service", [""])[0],
            scopes,
            answer[0],
        )
        with self._lock:
            self._requests.append(asked)
        return answer

    def _token(
        self, presented: Account | None, scopes: tuple[str, ...]
    ) -> tuple[int, Mapping[str, str], bytes]:
        json_type = {"Content-Type": "application/json"}
        known = not self._accounts or presented in self._accounts
        if not known and (presented or not self.anonymous):
            errors = {"errors": [{"code": "UNAUTHORIZED", "message": "bad credentials"}]}
            return 401, json_type, json.dumps(errors).encode()
        token = self.mint(*scopes, username=presented.username if presented else "")
        body = {
            "token": token,
            "access_token": token,
            "expires_in": int(self.lifetime),
            "issued_at": datetime.now(UTC).isoformat(),
        }
        return 200, json_type, json.dumps(body).encode()

    def _sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


class _Listener(ThreadingHTTPServer):
    tokens: TokenServer
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that refuses our certificate is a test's business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request for a token."""
        assert isinstance(self.server, _Listener)
        tokens = self.server.tokens
        status, headers, body = tokens.respond(self.path, self.headers.get("Authorization"))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: `TokenServer.requests` is the log."""


def _access(scope: str) -> dict[str, object] | None:
    match = _SCOPE.fullmatch(scope)
    if match is None:
        return None
    return {
        "type": match["type"],
        "name": match["name"],
        "actions": match["actions"].split(","),
    }


def _self_signed(key: ec.EllipticCurvePrivateKey, path: Path) -> list[str]:
    """The certificate of the signing key, written to `path` and as `x5c` wants it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    der = certificate.public_bytes(serialization.Encoding.DER)
    return [base64.b64encode(der).decode()]


def _segment(fields: Mapping[str, object]) -> str:
    return _base64url(json.dumps(fields, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
