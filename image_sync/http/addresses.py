"""Which network addresses a registry may send us to: pure classification and one rule.

A registry that the operator configured may stand anywhere. Where it redirects to, or which token
server it names, is its own word, and may not reach further into our network than the registry
itself stands: `public` < `private` < `loopback`. Link-local, metadata, unspecified, reserved and
wrapped addresses are never such a place (fault row 36).

The rule is applied to the resolved address at the moment of connecting (`pools.py`), so a name
that resolves differently the second time gains nothing.
"""

import errno
import ipaddress
from enum import StrEnum

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Zone(StrEnum):
    """Where an address lies."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "metadata"
    UNSPECIFIED = "unspecified"
    WRAPPED = "wrapped"  # an IPv4 address inside of an IPv6 one, resolved by a gateway
    RESERVED = "reserved"  # multicast, broadcast, documentation, not assigned


_DEPTH = {Zone.PUBLIC: 0, Zone.PRIVATE: 1, Zone.LOOPBACK: 2}
"""How far inside a zone lies; zones that are missing here are refused always."""

_ZONES: tuple[tuple[Zone, tuple[str, ...]], ...] = (
    (
        Zone.METADATA,
        (
            "169.254.169.254/32",  # AWS, Azure, Google Cloud, OpenStack
            "169.254.170.2/32",  # AWS ECS task credentials
            "168.63.129.16/32",  # Azure WireServer
            "100.100.100.200/32",  # Alibaba Cloud
            "192.0.0.192/32",  # Oracle Cloud
            "fd00:ec2::254/128",  # AWS
            "fd20:ce::254/128",  # Google Cloud
        ),
    ),
    (Zone.LOOPBACK, ("127.0.0.0/8", "::1/128")),
    (Zone.UNSPECIFIED, ("0.0.0.0/8", "::/128")),
    (Zone.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
    (
        Zone.WRAPPED,
        (
            "64:ff9b::/96",  # NAT64, RFC 6052
            "64:ff9b:1::/48",  # NAT64 for local use, RFC 8215
            "2002::/16",  # 6to4, RFC 3056
            "2001::/32",  # Teredo, RFC 4380
            "::/96",  # IPv4-compatible, RFC 4291
            "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
        ),
    ),
    (
        Zone.PRIVATE,
        (
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",  # shared address space, RFC 6598
            "198.18.0.0/15",  # benchmarking, RFC 2544; used inside of networks
            "fc00::/7",  # unique local, RFC 4193
            "fec0::/10",  # site local, deprecated by RFC 3879
        ),
    ),
)
_NETWORKS: dict[int, list[tuple[Zone, _Network]]] = {4: [], 6: []}
for _zone, _texts in _ZONES:
    for _network in map(ipaddress.ip_network, _texts):
        _NETWORKS[_network.version].append((_zone, _network))

_REFUSED = "refused by the address rule"


class AddressRefused(OSError):  # noqa: N818 - an answer of ours, not a failure
    """Connecting to this address is against the rule; an OSError, as connecting expects."""

    def __init__(self, address: str, zone: Zone) -> None:
        super().__init__(errno.EACCES, f"{zone} address {address} {_REFUSED}")


def is_refusal(error: BaseException) -> bool:
    """True if an error is an `AddressRefused`, or what happy eyeballs made of several."""
    return isinstance(error, OSError) and _REFUSED in str(error)


def classify(text: str) -> Zone:
    """The zone of a resolved address, with or without an IPv6 scope.

    Raises:
        ValueError: It is not an address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # the kernel connects to this one
    return next(
        (zone for zone, network in _NETWORKS[address.version] if address in network),
        Zone.PUBLIC if _is_global(address) else Zone.RESERVED,
    )


def permitted(zone: Zone, sender: Zone, *, named: bool) -> bool:
    """Whether a registry in `sender` may send us to an address in `zone`.

    Args:
        zone: Where the address lies.
        sender: Where the registry that named it lies.
        named: True if the operator named the host as an exception.
    """
    depth = _DEPTH.get(zone)
    if depth is None:
        return False
    return named or depth <= _DEPTH.get(sender, 0)


def outermost(first: Zone | None, second: Zone) -> Zone:
    """The more public of two zones: what a registry with several addresses counts as."""
    if first is None or _DEPTH.get(second, 0) < _DEPTH.get(first, 0):
        return second
    return first


def _is_global(address: _Address) -> bool:
    return address.is_global and not address.is_multicast
