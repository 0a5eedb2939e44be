"""What a tool is given to reach two registries: operand hosts, accounts, trust, ways.

Everything a child may know is built here from plain values; it inherits nothing.
"""

import base64
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec

from image_sync.credentials import Credential
from image_sync.engines.base import CopyRequest, Credentials
from image_sync.engines.redact import spellings
from image_sync.model import Endpoint, HostPolicy, Security
from image_sync.oci.reference import reads_as_host

_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, FreeBSD
)
"""Where systems keep their roots: Go's crypto/x509/root_linux.go and root_bsd.go."""


Accounts = tuple[Credential | None, Credential | None]
"""Who we are at source and cache; None for anonymous."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What tools share: where things are found and how hosts are reached.

    Attributes:
        environ: The environment in which tools are looked for (PATH) and whose SSL_CERT_FILE names
            the system's roots. Nothing of it is handed on.
        policies: By canonical host.
        credentials: Finds accounts.
        source_proxy: URL of the proxy for sources that have none of their own.
        folder: Where private folders are made; None for the system's.
    """

    environ: Mapping[str, str]
    policies: Mapping[str, HostPolicy]
    credentials: Credentials
    source_proxy: str | None = None
    folder: Path | None = None

    def policy(self, endpoint: Endpoint) -> HostPolicy:
        """What the operator said of a registry."""
        return self.policies.get(endpoint.host) or HostPolicy()

    async def account(self, endpoint: Endpoint) -> Credential | None:
        """Who we are at a registry; None for anonymous."""
        return await self.credentials.find(endpoint.host, endpoint.repository.path)

    async def accounts(self, request: CopyRequest) -> Accounts:
        """Who we are at the source and at the cache."""
        return await self.account(request.source), await self.account(request.target)

    def proxy(self, source: Endpoint) -> str | None:
        """Through which proxy a source is reached."""
        return self.policy(source).proxy or self.source_proxy

    def ways(self, source: Endpoint, target: Endpoint) -> dict[str, str]:
        """Proxy variables: the source's proxy alone, and never for the cache (fault row 60)."""
        proxy = self.proxy(source)
        if proxy is None:
            return {}
        direct = f"{target.host},127.0.0.1"
        return {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": direct}

    def system_roots(self) -> str | None:
        """The file with the roots that the system trusts; None where there is none."""
        named = self.environ.get("SSL_CERT_FILE")
        places = (named,) if named else (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS)
        return next((place for place in places if place and Path(place).is_file()), None)


def secrets(*accounts: Credential | None) -> frozenset[str]:
    """What of some accounts must not show in any text, in all its spellings."""
    return frozenset(
        text
        for each in accounts
        if each
        for text in spellings(each.secret, each.identity_token, f"{each.username}:{each.secret}")
    )


def operand_host(host: str, security: Security) -> str:
    """A host as a tool must read it: a bare name such as `zot` would be taken for a repository."""
    if reads_as_host(host):
        return host
    return f"{host}:{80 if security is Security.CLEAR else 443}"


def auth_file(accounts: Mapping[str, Credential | None]) -> bytes:
    """A docker config file with these accounts, by key, and nothing else in it."""
    entries = {key: _entry(account) for key, account in accounts.items() if account}
    return json.dumps({"auths": entries}).encode()


def _entry(account: Credential) -> dict[str, str]:
    # skopeo skips an entry without `auth`, identity token or not (pkg/docker/config, containers).
    pair = f"{account.username or '<token>'}:{account.secret}"
    entry = {"auth": base64.b64encode(pair.encode("utf-8", "surrogatepass")).decode()}
    if account.identity_token:
        entry["identitytoken"] = account.identity_token
    return entry
