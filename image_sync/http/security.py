"""How registries prove themselves: their policy, and how that turned out.

`TlsPolicy.LENIENT` begins like everybody: https, and a certificate that verifies. If that alone
fails, the host goes unproven from then on. Only a peer that answers the handshake with something
that is not TLS is spoken to in clear, never one that is silent, resets or refuses; and once a host
spoke TLS, clear text is over for the life of the process.
"""

from image_sync.events import Emit, WeakSecurity
from image_sync.http.urls import Origin
from image_sync.model import Security, TlsPolicy

_SETTLED = {TlsPolicy.VERIFY: Security.VERIFIED, TlsPolicy.PLAIN: Security.CLEAR}

_OPEN = frozenset({None, Security.CLEAR})  # what an answer over TLS settles
_WEAK = frozenset({Security.UNVERIFIED, Security.CLEAR})


class Securities:
    """How the connections to every host turned out."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._lenient: dict[str, Security] = {}
        self._unproven: set[tuple[str, Origin]] = set()
        self._told: set[tuple[str, Security, bool]] = set()  # the last: with credentials

    def get(self, host: str, tls: TlsPolicy) -> Security | None:
        """How a host is spoken to; None for a lenient one that has not answered yet."""
        return _SETTLED.get(tls) or self._lenient.get(host)

    def scheme(self, host: str, tls: TlsPolicy) -> str:
        """`https` or `http`: how to begin with a host."""
        return "http" if self.get(host, tls) is Security.CLEAR else "https"

    def may_fall_back(self, host: str, tls: TlsPolicy) -> bool:
        """Whether clear text may be tried after something that is not TLS."""
        return tls is TlsPolicy.LENIENT and self._lenient.get(host) in _OPEN

    def proves(self, host: str, origin: Origin) -> bool:
        """False for a place whose certificate was seen not to verify.

        Args:
            host: Canonical host of the lenient registry that requests are made for.
            origin: That registry, or a place that is believed for its sake.
        """
        return (host, origin) not in self._unproven

    def doubt(self, host: str, origin: Origin, *, own: bool) -> None:
        """A certificate did not verify, and need not: it is not asked for any more.

        Args:
            host: As in `proves`.
            origin: As in `proves`.
            own: True for the registry itself.
        """
        self._unproven.add((host, origin))
        if own:
            self._lenient[host] = Security.UNVERIFIED

    def answered(self, host: str, tls: TlsPolicy, security: Security, *, credentials: bool) -> None:
        """A registry that need not prove itself answered.

        Args:
            host: Canonical host.
            tls: Its policy.
            security: How it was asked.
            credentials: True if the request carried some.
        """
        if tls not in _SETTLED and self._lenient.get(host) in _OPEN:
            # Otherwise it stands: whichever of its servers answers, and however late.
            self._lenient[host] = security
        if security not in _WEAK or (host, security, True) in self._told:
            return
        if (host, security, credentials) not in self._told:
            self._told.add((host, security, credentials))
            self._emit(WeakSecurity(host=host, security=security, credentials=credentials))

    def failed(self, host: str) -> None:
        """A lenient host that is spoken to in clear failed: it may have learnt TLS meanwhile."""
        if self._lenient.get(host) is Security.CLEAR:
            del self._lenient[host]
