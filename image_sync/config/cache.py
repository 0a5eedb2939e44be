"""The cache registry: its host, the prefix of its repositories, or a registry of our own."""

import ipaddress
from collections.abc import Mapping

import msgspec

from image_sync.config.findings import Findings
from image_sync.config.listen import parse_listen
from image_sync.config.registries import Registry, tls_of
from image_sync.config.schema import Config, EmbeddedEntry
from image_sync.config.targets import LEDGER_PATH
from image_sync.config.values import EMBEDDED
from image_sync.config.wording import did_you_mean, quoted
from image_sync.errors import Side
from image_sync.model import Endpoint, TlsPolicy
from image_sync.oci import Repository
from image_sync.oci.reference import parse_host, parse_path, reads_as_host

NO_CACHE = "cache.invalid"
"""Stands for a cache that is missing or wrong while the rest is checked; RFC 2606, section 2."""


class CacheRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """The cache.

    Attributes:
        text: As the operator wrote it.
        host: Its canonical host.
        prefix: What all its repositories begin with, without slashes around; may be empty.
        tls: How it must prove itself where no image says otherwise.
        embedded: How to serve it, if it is our own.
    """

    text: str
    host: str
    prefix: str
    tls: TlsPolicy
    embedded: EmbeddedEntry | None = None

    def repository(self, path: str) -> Repository:
        """A repository below the prefix."""
        return Repository(self.host, f"{self.prefix}/{path}" if self.prefix else path)

    @property
    def ledger(self) -> Endpoint:
        """Where the ledger is, if it is in the cache."""
        return Endpoint(Side.TARGET, self.repository(LEDGER_PATH), self.tls)


def read_cache(
    config: Config, registries: Mapping[str, Registry], findings: Findings
) -> CacheRegistry:
    """The cache of a configuration; what is wrong with it is noted."""
    entry = config.cache_registry
    if entry == EMBEDDED:
        entry = EmbeddedEntry()
    if isinstance(entry, EmbeddedEntry):
        if entry.path is not None:
            path = findings.absolute("cache_registry.path", entry.path)
            entry = msgspec.structs.replace(entry, path=path)
        listen = findings.parsed("cache_registry.listen", entry.listen, _parse_listen)
        host = listen or NO_CACHE
        return CacheRegistry(
            text=EMBEDDED, host=host, prefix="", tls=TlsPolicy.PLAIN, embedded=entry
        )
    host, prefix = findings.parsed("cache_registry", entry, _parse_cache) or (NO_CACHE, "")
    tls = tls_of(registries, host, insecure=None, default=config.settings.cache_insecure)
    return CacheRegistry(text=entry, host=host, prefix=prefix, tls=tls)


def _parse_cache(text: str) -> tuple[str, str]:
    scheme, separator, rest = text.partition("://")
    if separator:
        advice = "; for plain HTTP set registries.<host>.plain_http" if scheme == "http" else ""
        raise ValueError(f"{text!r} carries a scheme: write {rest}{advice}")
    host, slash, prefix = text.partition("/")
    if slash and not prefix:
        raise ValueError(f"{text!r} ends in a slash: leave it out")
    host = parse_host(host)
    if not reads_as_host(host):
        raise ValueError(
            f"{text!r} has a host without dot and port, which crane, skopeo and Docker take for a "
            f"part of Docker Hub: add the port, such as {host}:443, or write the full name"
            f"{did_you_mean(text, [EMBEDDED])}"
        )
    return host, parse_path(prefix) if slash else ""


def _parse_listen(text: str) -> str:
    parsed = parse_listen(text)
    if parsed is None:
        raise ValueError("the embedded registry must listen: expected HOST:PORT")
    if not parsed[1]:
        raise ValueError(f"{quoted(text)} has another port at each start: name one above 0")
    address, port = parsed
    if not address or not ipaddress.ip_address(address).is_loopback:
        advice = "run image-sync serve with --auth-file, and name its address as cache_registry"
        raise ValueError(f"{quoted(text)} can be reached from other machines: {advice}")
    return parse_host(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
