"""Token servers: which one a challenge names, and whether it may see the registry's credentials.

The rule is ours, stricter than what clients do: a realm is the registry's own word, and the most
common way for a registry to get at credentials that are not meant for it.
"""

from collections.abc import Collection

import msgspec

from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Origin, RefusedUrl, parse_origin, redacted_url
from image_sync.model import Endpoint
from image_sync.oci.reference import api_host, host_name
from image_sync.registry.challenge import Challenge

_KNOWN = {
    "docker.io": frozenset({"auth.docker.io"}),
    "registry.gitlab.com": frozenset({"gitlab.com"}),
    "registry.redhat.io": frozenset({"sso.redhat.com"}),
    "registry.connect.redhat.com": frozenset({"sso.redhat.com"}),
}
"""Token servers that belong to a registry of another name: the challenges those registries send."""


class Realm(msgspec.Struct, frozen=True):
    """A token server that may be asked.

    Attributes:
        url: As the registry names it, without fragment.
        service: What the registry calls itself there, None if it does not say.
        trusted: True if it may receive the registry's credentials.
    """

    url: str
    service: str | None
    trusted: bool

    @property
    def place(self) -> str:
        """Its URL without the query: who gets the credentials."""
        return redacted_url(self.url)


def realm_of(
    endpoint: Endpoint, challenge: Challenge, named: Collection[str], *, clear: bool
) -> Realm:
    """The token server that a registry's challenge names.

    Args:
        endpoint: Who sent the challenge.
        challenge: A Bearer challenge.
        named: The operator's `realm_hosts` for that registry.
        clear: True if the registry itself is spoken to over plain HTTP.

    Raises:
        RegistryError: It names none that is safe to ask.
    """
    url = challenge.parameters.get("realm", "").partition("#")[0]
    try:
        origin = parse_origin(url)
    except RefusedUrl as error:
        raise _unusable(endpoint, url, str(error)) from None
    if origin.scheme != "https" and not clear:
        raise _unusable(endpoint, url, "it is not https")
    service = challenge.parameters.get("service")
    return Realm(url, service, _trusts(endpoint.host, origin, named))


def _trusts(host: str, origin: Origin, named: Collection[str]) -> bool:
    own = origin.host == host_name(api_host(host))
    by_operator = origin.host in named or origin.authority in named
    known = origin.scheme == "https" and origin.host in _KNOWN.get(host, ())
    return own or by_operator or known


def withheld(endpoint: Endpoint, realm: Realm) -> str:
    """Advice for whoever wonders why a token server did not get the credentials."""
    name = parse_origin(realm.url).authority
    return (
        f"credentials are not sent to the token server {name}, which {endpoint.host} names but "
        f"which is not its own: if you trust it, add {name} to "
        f"registries.{endpoint.host}.realm_hosts"
    )


def _unusable(endpoint: Endpoint, url: str, why: str) -> RegistryError:
    named = redacted_url(url) if url else "nothing"
    return RegistryError(
        f"{endpoint.repository}: the registry names no token server that is safe to ask, but "
        f"{named}: {why}",
        ErrorKind.UNSAFE,
        side=endpoint.side,
    )
