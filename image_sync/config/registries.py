"""What is configured for single registries: limits, ways and trust, by canonical host."""

import math
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from image_sync.config.findings import Findings
from image_sync.config.schema import Config, RegistryEntry
from image_sync.config.wording import has_user_info, label, quoted
from image_sync.model import HostPolicy, TlsPolicy
from image_sync.oci.reference import DOCKER_HUB, parse_host

DOCKER_HUB_REQUESTS_PER_SECOND = 25.0
"""Requests per second to Docker Hub where nothing is configured: its abuse limit counts HEADs."""
_PROXY_SCHEMES = ("http", "https")


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of one registry.

    Attributes:
        policy: For those who talk to it.
        tls: How it must prove itself; None if the settings decide.
    """

    policy: HostPolicy = HostPolicy()
    tls: TlsPolicy | None = None


def read_registries(config: Config, shards: int, findings: Findings) -> Mapping[str, Registry]:
    """What is configured by canonical host, with rates and reserves divided by shards."""
    found: dict[str, Registry] = {}
    paths: dict[str, str] = {}
    for name, entry in config.registries.items():
        path = f"registries.{label(name)}"
        host = findings.parsed(path, name, parse_host)
        if host is None:
            continue
        if host in paths:
            findings.add(path, f"is the same registry as {findings.place(paths[host])}")
            continue
        paths[host] = path
        found[host] = Registry(policy=_policy(host, entry, path, shards, findings), tls=_tls(entry))
        if entry.plain_http and entry.tls_verify:
            findings.add(path, "plain_http and tls_verify contradict each other: keep one")
    if DOCKER_HUB not in found:
        policy = _policy(DOCKER_HUB, RegistryEntry(), "registries.docker.io", shards, findings)
        found[DOCKER_HUB] = Registry(policy=policy)
    return found


def tls_of(
    registries: Mapping[str, Registry], host: str, *, insecure: bool | None, default: bool
) -> TlsPolicy:
    """How a registry must prove itself: the image decides, then the registry, then the settings.

    Args:
        registries: What was said of registries.
        host: The registry's canonical host.
        insecure: What the image says; None if nothing.
        default: What the settings say.
    """
    registry = registries.get(host, Registry()).tls
    if insecure and registry is TlsPolicy.PLAIN:
        return TlsPolicy.PLAIN  # the image allows what the registry is known to want
    if insecure is None and registry is not None:
        return registry
    lenient = default if insecure is None else insecure
    return TlsPolicy.LENIENT if lenient else TlsPolicy.VERIFY


def _tls(entry: RegistryEntry) -> TlsPolicy | None:
    if entry.plain_http:
        return TlsPolicy.PLAIN
    if entry.tls_verify is None:
        return None
    return TlsPolicy.VERIFY if entry.tls_verify else TlsPolicy.LENIENT


def _policy(
    host: str, entry: RegistryEntry, path: str, shards: int, findings: Findings
) -> HostPolicy:
    def file(key: str, name: str | None) -> str | None:
        return None if name is None else findings.readable(f"{path}.{key}", name)

    def hosts(key: str, names: tuple[str, ...]) -> tuple[str, ...]:
        places = ((f"{path}.{key}[{number}]", name) for number, name in enumerate(names))
        parsed = (findings.parsed(place, name, parse_host) for place, name in places)
        return tuple(host for host in parsed if host is not None)

    if entry.client_key_file and not entry.client_cert_file:
        findings.add(f"{path}.client_key_file", "needs client_cert_file beside it")
    rate = entry.requests_per_second
    if rate is None and host == DOCKER_HUB:
        rate = DOCKER_HUB_REQUESTS_PER_SECOND
    return HostPolicy(
        concurrency=entry.concurrency,
        requests_per_second=None if rate is None else rate / shards,
        reserve_pulls=math.ceil(entry.reserve_pulls / shards),
        bandwidth=share_of(entry.bandwidth_limit, shards),
        proxy=check_proxy(f"{path}.proxy", entry.proxy, findings),
        auth_file=file("auth_file", entry.auth_file),
        ca_file=file("ca_file", entry.ca_file),
        client_cert_file=file("client_cert_file", entry.client_cert_file),
        client_key_file=file("client_key_file", entry.client_key_file),
        realm_hosts=hosts("realm_hosts", entry.realm_hosts),
        redirect_hosts=hosts("redirect_hosts", entry.redirect_hosts),
    )


def share_of(limit: int | None, shards: int) -> int | None:
    """One shard's part of a limit, at least 1; None if there is no limit."""
    return None if limit is None else max(1, limit // shards)


def check_proxy(path: str, url: str | None, findings: Findings) -> str | None:
    """The URL of a proxy if it is one."""
    if url is None:
        return None
    expected = "expected http://host:port or https://host:port"
    if has_user_info(url):
        findings.add(path, f"{quoted(url)} carries credentials, which never stand in this file")
        return None
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _PROXY_SCHEMES and parts.path in ("", "/")
        valid = valid and not parts.query and not parts.fragment and bool(parse_host(parts.netloc))
    except ValueError:
        valid = False
    if not valid:
        findings.add(path, f"{quoted(url)} is not a proxy: {expected}")
        return None
    return url
