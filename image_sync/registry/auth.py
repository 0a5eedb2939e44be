"""Who we are to a registry: nobody until it asks, then Basic, or a Bearer token.

Rules of ours: a refused request is made once more, and only with something new; a 401 of a place
that the registry redirected us to is not its own, and changes nothing (fault row 33).

Not here: where credentials come from (`credentials/`), tokens and their servers (`tokens.py`,
`realms.py`), passwords that were refused (`trials.py`), and sending (`http/`).
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Http
from image_sync.model import Endpoint, HostPolicy, TlsPolicy
from image_sync.registry.access import Access
from image_sync.registry.answer import Answer
from image_sync.registry.challenge import Challenge, parse_challenges
from image_sync.registry.credentials import Credentials, basic
from image_sync.registry.tokens import Proof, Tokens
from image_sync.registry.trials import Trials

_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

Exchange = Callable[[str | None], Awaitable[Answer]]
"""Sends a request with an `Authorization` header, or without one."""


class Authenticator:
    """The `Authorization` header for each registry and repository, kept and renewed.

    Args:
        http: For token requests.
        credentials: Where they come from.
        policies: What the operator says, by canonical host.
        clock: Seconds that never jump.
    """

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        policies: Mapping[str, HostPolicy],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._trials = Trials()
        self._tokens = Tokens(http, credentials, policies, self._trials, clock)
        self._ways: dict[tuple[str, TlsPolicy], Challenge] = {}

    async def ask_once(self, access: Access, exchange: Exchange) -> Answer:
        """The answer to a request that cannot be made again: with what is sent unasked.

        A password in doubt is not sent with it. Its content may take minutes to come, and nobody
        else could try the password meanwhile: a short request has to, which comes next anyway.

        Args:
            access: Whom the request asks, and for what.
            exchange: Sends it.

        Raises:
            RegistryError: No answer came, a token was needed and not to be had, or the password is
                in doubt (UNAUTHORIZED).
        """
        way, endpoint = self._way(access), access.endpoint
        proof = await self._proof(access, way) if way else None
        password = proof.credential if proof and not proof.is_token else None
        if not self._trials.proven(endpoint.host, password):
            raise _in_doubt(endpoint)
        return await self._present(access, proof, exchange)

    async def ask(self, access: Access, exchange: Exchange) -> Answer:
        """The answer to a request; made again once if the registry wants to know who we are.

        Args:
            access: Whom the request asks, and for what.
            exchange: Sends it.

        Raises:
            RegistryError: No answer came, or a token was needed and not to be had.
        """
        way = self._way(access)
        sent = await self._proof(access, way) if way else None
        answer = await self._present(access, sent, exchange)
        if answer.status not in _REFUSALS:
            return answer
        for refusal, renew in (
            (HTTPStatus.UNAUTHORIZED, self._renewed),
            (HTTPStatus.FORBIDDEN, self._changed),
        ):
            if answer.status != refusal or answer.redirected:
                continue
            fresh = await renew(access, answer, sent)
            if fresh and (sent is None or fresh.header != sent.header):
                answer, sent = await self._present(access, fresh, exchange), fresh
        if sent and answer.status == HTTPStatus.UNAUTHORIZED:
            answer.advice = sent.advice
        return answer

    def _way(self, access: Access) -> Challenge | None:
        return self._ways.get((access.endpoint.host, access.endpoint.tls))

    async def _present(self, access: Access, proof: Proof | None, exchange: Exchange) -> Answer:
        if proof is None:
            return await exchange(None)
        if proof.is_token:
            return await exchange(proof.header)
        endpoint = access.endpoint
        return await self._trials.send(
            endpoint, endpoint.host, proof.credential, lambda: exchange(proof.header), _is_own_401
        )

    async def _proof(self, access: Access, way: Challenge) -> Proof | None:
        """What is sent unasked, since the registry asked before."""
        if way.scheme == "bearer":
            return self._tokens.kept(access) or await self._tokens.get(access, way)
        endpoint = access.endpoint
        found = await self._credentials.find(endpoint.host, endpoint.repository.path)
        if self._trials.spent(endpoint.host, found):
            return await self._reread(access)
        return Proof(header=basic(found), credential=found) if found else None

    async def _renewed(self, access: Access, answer: Answer, sent: Proof | None) -> Proof | None:
        """What to send after a 401, None if there is nothing to try."""
        asked = _choose(parse_challenges(answer.header_lines("WWW-Authenticate")))
        way = asked or self._way(access)
        if way is None:
            return None
        self._ways[access.endpoint.host, access.endpoint.tls] = way
        if sent is None:
            return await self._proof(access, way)
        if way.scheme == "bearer":
            return await self._tokens.get(access, way, refused=sent)
        return await self._reread(access)

    async def _changed(self, access: Access, _answer: Answer, sent: Proof | None) -> Proof | None:
        """What to send after a 403: only credentials that are new (fault row 5)."""
        way = self._way(access)
        if way is None:
            return None
        fresh = await self._reread(access)
        if _credential(fresh) == _credential(sent):
            return None
        return fresh if way.scheme == "basic" else await self._tokens.get(access, way, sent)

    async def _reread(self, access: Access) -> Proof | None:
        endpoint = access.endpoint
        found = await self._credentials.refresh(endpoint.host, endpoint.repository.path)
        return Proof(header=basic(found), credential=found) if found else None


def _credential(proof: Proof | None) -> Credential | None:
    return proof.credential if proof else None


def _in_doubt(endpoint: Endpoint) -> RegistryError:
    return RegistryError(
        f"{endpoint.repository}: {endpoint.host} has to accept these credentials before content "
        "is sent with them",
        ErrorKind.UNAUTHORIZED,
        side=endpoint.side,
        status=HTTPStatus.UNAUTHORIZED,
    )


def _is_own_401(answer: Answer) -> bool:
    return answer.status == HTTPStatus.UNAUTHORIZED and not answer.redirected


def _choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Bearer before Basic, as every client does; other schemes are not spoken."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None
