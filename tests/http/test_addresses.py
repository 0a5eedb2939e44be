"""Which addresses a registry may send us to."""

import errno
import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.http.addresses import (
    AddressRefused,
    Zone,
    classify,
    is_refusal,
    outermost,
    permitted,
)
from tests.hostile import FORBIDDEN_AUTHORITIES

ZONES = {
    "8.8.8.8": Zone.PUBLIC,
    "2606:4700::1111": Zone.PUBLIC,
    "10.1.2.3": Zone.PRIVATE,
    "172.16.0.1": Zone.PRIVATE,
    "172.31.255.255": Zone.PRIVATE,
    "172.32.0.1": Zone.PUBLIC,
    "192.168.0.1": Zone.PRIVATE,
    "100.64.0.1": Zone.PRIVATE,
    "198.18.0.1": Zone.PRIVATE,
    "fd12::1": Zone.PRIVATE,
    "127.0.0.1": Zone.LOOPBACK,
    "127.9.9.9": Zone.LOOPBACK,
    "::1": Zone.LOOPBACK,
    "169.254.1.1": Zone.LINK_LOCAL,
    "fe80::1": Zone.LINK_LOCAL,
    "fe80::1%eth0": Zone.LINK_LOCAL,
    "169.254.169.254": Zone.METADATA,
    "169.254.170.2": Zone.METADATA,
    "168.63.129.16": Zone.METADATA,
    "100.100.100.200": Zone.METADATA,
    "fd00:ec2::254": Zone.METADATA,
    "0.0.0.0": Zone.UNSPECIFIED,
    "0.1.2.3": Zone.UNSPECIFIED,
    "::": Zone.UNSPECIFIED,
    "64:ff9b::8.8.8.8": Zone.WRAPPED,
    "64:ff9b:1::1": Zone.WRAPPED,
    "2002:0808:0808::1": Zone.WRAPPED,
    "2001::1": Zone.WRAPPED,
    "::8.8.8.8": Zone.WRAPPED,
    "::ffff:8.8.8.8": Zone.PUBLIC,
    "::ffff:10.0.0.1": Zone.PRIVATE,
    "::ffff:169.254.169.254": Zone.METADATA,
    "224.0.0.1": Zone.RESERVED,
    "ff02::1": Zone.RESERVED,
    "255.255.255.255": Zone.RESERVED,
    "240.0.0.1": Zone.RESERVED,
    "192.0.2.1": Zone.RESERVED,
}

REACH = {Zone.PUBLIC: 1, Zone.PRIVATE: 2, Zone.LOOPBACK: 3}


@pytest.mark.parametrize(
    ("address", "zone"), [pytest.param(*row, id=row[0]) for row in ZONES.items()]
)
def test_an_address_lies_in_its_zone(address: str, zone: Zone) -> None:
    """Every range that matters is told apart, whatever it is wrapped in."""
    assert classify(address) is zone


@pytest.mark.parametrize("authority", FORBIDDEN_AUTHORITIES)
def test_a_public_registry_reaches_no_inner_address(authority: str) -> None:
    """Fault row 36: metadata, link-local, private, loopback, wrapped or not."""
    assert not permitted(classify(authority.strip("[]")), Zone.PUBLIC, named=False)


@pytest.mark.parametrize("sender", Zone)
@pytest.mark.parametrize("zone", Zone)
def test_a_redirect_goes_sideways_or_outwards(zone: Zone, sender: Zone) -> None:
    """public < private < loopback; everything else is refused, and counts as public itself."""
    expected = REACH.get(zone, 9) <= REACH.get(sender, 1)
    assert permitted(zone, sender, named=False) is expected


@pytest.mark.parametrize("zone", Zone)
def test_a_named_host_may_be_private_or_loopback_and_nothing_worse(zone: Zone) -> None:
    """What the operator names is an exception for private networks, not for metadata services."""
    assert permitted(zone, Zone.PUBLIC, named=True) is (zone in REACH)


def test_a_registry_with_several_addresses_counts_as_its_most_public_one() -> None:
    """A public registry cannot add a loopback address to its name to reach loopback."""
    assert outermost(Zone.LOOPBACK, Zone.PUBLIC) is Zone.PUBLIC
    assert outermost(Zone.PUBLIC, Zone.LOOPBACK) is Zone.PUBLIC
    assert outermost(None, Zone.PRIVATE) is Zone.PRIVATE


def test_a_refusal_is_known_again_among_other_errors() -> None:
    """Happy eyeballs joins the errors of several addresses into one text."""
    refusal = AddressRefused("10.0.0.1", Zone.PRIVATE)
    joined = OSError(f"Multiple exceptions: {refusal}, [Errno 111] refused")
    assert is_refusal(refusal)
    assert is_refusal(joined)
    assert not is_refusal(OSError(errno.EACCES, "permission denied"))


@given(st.ip_addresses())
def test_every_address_has_a_zone(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """No address falls through."""
    assert classify(str(address)) in Zone


@given(st.ip_addresses(v=4))
def test_mapping_an_address_into_ipv6_changes_nothing(address: ipaddress.IPv4Address) -> None:
    """`::ffff:a.b.c.d` is where the kernel connects to `a.b.c.d`."""
    assert classify(f"::ffff:{address}") is classify(str(address))


@given(st.text())
def test_any_other_text_is_a_value_error(text: str) -> None:
    """A value or one well-known error."""
    with suppress(ValueError):
        assert classify(text) in Zone
