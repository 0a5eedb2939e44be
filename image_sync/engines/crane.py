"""crane, of go-containerregistry: one `crane copy` by digest per image.

crane has one `--insecure` for both registries, one account per host, no client certificates, and
speaks plain HTTP to what it takes for local whether told to or not. What it cannot do safely is
refused here; measured with 0.21.9 and 0.22.1.
"""

import ipaddress
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from image_sync.credentials.keys import HUB_SERVER
from image_sync.engines.access import Access, Accounts, auth_file, operand_host, secrets
from image_sync.engines.base import Copied, CopyRequest, Refusal, Turn
from image_sync.engines.relay import Relay, listen, relaying
from image_sync.engines.tool import Command, Profile, Tool
from image_sync.engines.versions import CRANE
from image_sync.errors import EngineError, ErrorKind, Side
from image_sync.events import Emit
from image_sync.model import Endpoint, Security
from image_sync.oci.reference import DOCKER_HUB, host_name, split_host
from image_sync.runtime import process
from image_sync.runtime.files import write_private

_HTTP_PORT = 80  # RFC 9110, section 4.2.1
_RFC1918 = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
PROFILE = Profile(
    "crane",
    ("version",),
    CRANE,
    "brew install crane, or go install github.com/google/go-containerregistry/cmd/crane@latest",
)


class Crane:
    """The engine."""

    name = PROFILE.name
    resumes = False
    vouches = False

    def __init__(
        self,
        access: Access,
        emit: Emit,
        *,
        named: bool,
        limits: process.Limits = process.Limits(),  # noqa: B008 - an immutable value
    ) -> None:
        self._access = access
        self._tool = Tool(PROFILE, access, emit, named=named, limits=limits)

    async def refusal(self, request: CopyRequest) -> Refusal | None:
        """Why crane will not do this copy; None if it can."""
        why = case_refusal(request) or self._policy_refusal(request)
        if why is not None:
            return Refusal(why)
        if request.source.host == request.target.host:
            source, target = await self._access.accounts(request)
            if source != target:
                return Refusal(f"it knows one account per host, {request.source.host} needs two")
        return await self._tool.refusal()

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        """Copy by digest.

        Raises:
            EngineError: It did not work.
        """
        accounts = await self._access.accounts(request)
        with self._tool.folder() as folder:
            async with self._way(request) as relay:
                command = self._command(request, relay, accounts, folder)
                try:
                    moved = await self._tool.run(command, folder, request.deadline, turn.progress)
                except EngineError as error:
                    if relay:
                        _explain(error, request.target.host, relay)
                    raise
        return Copied(relay.sent if relay else moved, None)

    @asynccontextmanager
    async def _way(self, request: CopyRequest) -> AsyncIterator[Relay | None]:
        if not needs_relay(request):
            yield None
            return
        host, port = split_host(request.target.host)
        with self._tool.translating("open a port for the relay on 127.0.0.1"):
            listener = await listen()
        async with relaying(listener, host, port or _HTTP_PORT) as relay:
            yield relay

    def _command(
        self,
        request: CopyRequest,
        relay: Relay | None,
        accounts: Accounts,
        folder: Path,
    ) -> Command:
        source = operand_host(request.source.host, request.source_security)
        target = relay.host if relay else operand_host(request.target.host, request.target_security)
        keys = {_key(source): accounts[0], _key(target): accounts[1]}
        with self._tool.translating("write the account file"):
            (folder / "docker").mkdir(mode=0o700)
            write_private(folder / "docker" / "config.json", auth_file(keys))
        insecure = Security.VERIFIED not in (request.source_security, request.target_security)
        return Command(
            (
                "copy",
                *(("--insecure",) if insecure else ()),
                "--",
                f"{source}/{request.source.repository.path}@{request.digest}",
                f"{target}/{request.target.repository.path}@{request.digest}",
            ),
            {
                "DOCKER_CONFIG": str(folder / "docker"),
                **self._access.ways(request.source, request.target),
                **self._trust(request, folder),
            },
            (source, target),
            secrets(*accounts),
        )

    def _trust(self, request: CopyRequest, folder: Path) -> Mapping[str, str]:
        """SSL_CERT_FILE with the system's roots and each registry's; crane has one set for all."""
        files = self._ca_files(request)
        if not files:
            return {}
        roots = self._access.system_roots()
        with self._tool.translating("read the roots named by ca_file", ErrorKind.CONFIG):
            parts = [Path(file).read_bytes() for file in (*((roots,) if roots else ()), *files)]
            write_private(folder / "roots.pem", b"\n".join(parts))
        return {"SSL_CERT_FILE": str(folder / "roots.pem")}

    def _ca_files(self, request: CopyRequest) -> tuple[str, ...]:
        found = (
            self._access.policy(endpoint).ca_file
            for endpoint, security in request.sides
            if security is Security.VERIFIED
        )
        return tuple(dict.fromkeys(file for file in found if file))

    def _policy_refusal(self, request: CopyRequest) -> str | None:
        for endpoint, security in request.sides:
            if security is not Security.CLEAR and self._access.policy(endpoint).client_cert_file:
                return f"it takes no client certificate, {endpoint.host} wants one"
        if self._access.policy(request.target).proxy:
            return "it cannot be given a proxy for the cache alone"
        if sys.platform == "darwin" and self._ca_files(request):
            return "on macOS it takes its roots from the keychain, not from ca_file"
        return None


def needs_relay(request: CopyRequest) -> bool:
    """True for a cache without TLS beside a source that is verified."""
    return (request.source_security, request.target_security) == (
        Security.VERIFIED,
        Security.CLEAR,
    )


def case_refusal(request: CopyRequest) -> str | None:
    """Why crane must not do a copy, whatever is installed and configured; None if it may."""
    if request.beyond_tools:
        return request.beyond_tools
    if request.digest.algorithm != "sha256":
        return f"it knows no {request.digest.algorithm} digests"
    verified = Security.VERIFIED
    source, target = request.source_security, request.target_security
    if (source is verified) != (target is verified) and not needs_relay(request):
        lax = request.target.host if source is verified else request.source.host
        return f"it can leave verification out for both registries only, not for {lax} alone"
    for endpoint, security in request.sides:
        if security is verified and _is_local(endpoint):
            return f"it may fall back to plain HTTP for the local address {endpoint.host}"
    return None


def _is_local(endpoint: Endpoint) -> bool:
    """What crane takes for local, 127.0.0.1 and ::1 also inside a name as older ones do.

    go-containerregistry, pkg/name/registry.go, Scheme.
    """
    name = host_name(endpoint.host)
    if name == "localhost" or name.endswith(".localhost") or "127.0.0.1" in name or "::1" in name:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return any(address in network for network in _RFC1918)


def _key(host: str) -> str:
    """Under which crane looks up an account: go-containerregistry, pkg/authn/keychain.go."""
    return HUB_SERVER if host == DOCKER_HUB else host


def _explain(error: EngineError, cache: str, relay: Relay) -> None:
    """Put into an error what the relay knows: crane sees only 127.0.0.1."""
    error.message = error.message.replace(relay.host, cache)
    if relay.failure is not None:
        error.message = f"no way to {cache}: {relay.failure}"
        error.kind, error.side = ErrorKind.NETWORK, Side.TARGET
    elif error.kind is ErrorKind.NOT_FOUND and error.side is Side.TARGET:
        # The check spoke to the cache under its own name; under 127.0.0.1 it is not found.
        error.message = (
            f"{cache} answers only under its own name, which the relay hides: {error.message}"
        )
        error.kind = ErrorKind.UNSUPPORTED
