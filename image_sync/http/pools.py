"""Pools of connections, and the check of every address at the moment of connecting.

A registry has one pool for itself, one for the hosts that its operator named, one for strangers;
so no connection made under one rule is used under another. Inside of a pool aiohttp keeps
connections apart by scheme, host, port, TLS context and proxy.
"""

import socket
from enum import StrEnum
from typing import NamedTuple

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver

from image_sync.http.addresses import AddressRefused, Zone, classify, outermost, permitted
from image_sync.http.deadlines import Deadlines
from image_sync.http.transport import AiohttpTransport

_KEEP_ALIVE = 15.0
"""Seconds that an idle connection is kept: below the shortest common idle time-out of servers and
balancers (60 s), so that we do not write into a connection that is being closed."""
_FAREWELL = 1.0
"""Seconds for connections to end in order: one whose peer does not read never would (measured)."""

_AddrInfo = tuple[
    int | socket.AddressFamily,
    int | socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]


class Standing(StrEnum):
    """What a host is to the registry that a request is made for."""

    OWN = "own"  # the registry itself: it may stand anywhere
    NAMED = "named"  # named by the operator for this registry: it may be private
    STRANGER = "stranger"  # named by the registry only


class _Key(NamedTuple):
    host: str
    standing: Standing
    proxied: bool


class Pools:
    """Every pool in use; must be made and closed inside of one running event loop."""

    def __init__(self, deadlines: Deadlines, resolver: AbstractResolver | None) -> None:
        self._deadlines = deadlines
        self._resolver = resolver
        self._transports: dict[_Key, AiohttpTransport] = {}
        self._zones: dict[str, Zone] = {}  # where registries were found, by canonical host

    def get(self, host: str, standing: Standing, *, proxied: bool) -> AiohttpTransport:
        """The pool for a kind of hosts.

        Args:
            host: Canonical host of the registry that requests are made for.
            standing: What the hosts to be reached are to it.
            proxied: True if a proxy connects, and judges addresses, in our place.
        """
        key = _Key(host, standing, proxied)
        transport = self._transports.get(key)
        if transport is None:
            transport = self._transports[key] = self._open(key)
        return transport

    async def aclose(self) -> None:
        """Close every connection, also such as have something to send to a peer that is gone."""
        with anyio.move_on_after(_FAREWELL, shield=True):
            while self._transports:
                _, transport = self._transports.popitem()
                await transport.aclose()

    def _open(self, key: _Key) -> AiohttpTransport:
        def make_socket(info: _AddrInfo) -> socket.socket:
            family, kind, protocol, _, address = info
            if not key.proxied:
                self._admit(key, str(address[0]))
            made = socket.socket(family, kind, protocol)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made

        connector = aiohttp.TCPConnector(
            limit=0,  # bounded by slots (`limits.py`), which know hosts and sides
            keepalive_timeout=_KEEP_ALIVE,
            resolver=self._resolver,
            socket_factory=make_socket,
        )
        return AiohttpTransport(connector, self._deadlines)

    def _admit(self, key: _Key, address: str) -> None:
        zone = classify(address)
        if key.standing is Standing.OWN:
            self._zones[key.host] = outermost(self._zones.get(key.host), zone)
            return
        sender = self._zones.get(key.host, Zone.PUBLIC)
        if not permitted(zone, sender, named=key.standing is Standing.NAMED):
            raise AddressRefused(address, zone)
