"""Whether a registry is spoken to over TLS: its policy, and how that turned out.

`TlsPolicy.LENIENT` means https first. Only a peer that answers the handshake with something that
is not TLS is spoken to in clear, never one that is silent, resets or refuses; and once https
worked for a host, clear text is over for the life of the process.
"""

from image_sync.events import Emit, PlainHttpUsed
from image_sync.model import Security, TlsPolicy

_SETTLED = {TlsPolicy.VERIFY: Security.VERIFIED, TlsPolicy.PLAIN: Security.CLEAR}


class Securities:
    """How the connections to every host turned out."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._lenient: dict[str, Security] = {}
        self._told: set[tuple[str, bool]] = set()  # host, with credentials

    def get(self, host: str, tls: TlsPolicy) -> Security | None:
        """How a host is spoken to; None for a lenient one that has not answered yet."""
        return _SETTLED.get(tls) or self._lenient.get(host)

    def scheme(self, host: str, tls: TlsPolicy) -> str:
        """`https` or `http`: how to begin with a host."""
        return "http" if self.get(host, tls) is Security.CLEAR else "https"

    def may_fall_back(self, host: str, tls: TlsPolicy) -> bool:
        """Whether clear text may be tried after something that is not TLS."""
        return tls is TlsPolicy.LENIENT and self._lenient.get(host) is not Security.UNVERIFIED

    def answered(self, host: str, scheme: str, *, credentials: bool) -> None:
        """A lenient host answered.

        Args:
            host: Canonical host.
            scheme: What it was asked over.
            credentials: True if the request carried some.
        """
        if scheme == "https":
            self._lenient[host] = Security.UNVERIFIED
            return
        self._lenient[host] = Security.CLEAR
        told = (host, True) in self._told or (host, credentials) in self._told
        if not told:
            self._told.add((host, credentials))
            self._emit(PlainHttpUsed(host=host, credentials=credentials))

    def failed(self, host: str) -> None:
        """A lenient host that is spoken to in clear failed: it may have learnt TLS meanwhile."""
        if self._lenient.get(host) is Security.CLEAR:
            del self._lenient[host]
