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
from image_sync.http import Http
from image_sync.model import Endpoint, HostPolicy, TlsPolicy
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

    async def ask(self, endpoint: Endpoint, exchange: Exchange) -> Answer:
        """The answer to a request; made again once if the registry wants to know who we are.

        Args:
            endpoint: Whom the request asks.
            exchange: Sends it.

        Raises:
            RegistryError: No answer came, or a token was needed and not to be had.
        """
        way = self._ways.get((endpoint.host, endpoint.tls))
        sent = await self._proof(endpoint, way) if way else None
        answer = await self._present(endpoint, sent, exchange)
        if answer.status not in _REFUSALS:
            return answer
        for refusal, renew in (
            (HTTPStatus.UNAUTHORIZED, self._renewed),
            (HTTPStatus.FORBIDDEN, self._changed),
        ):
            if answer.status != refusal or answer.redirected:
                continue
            fresh = await renew(endpoint, answer, sent)
            if fresh and (sent is None or fresh.header != sent.header):
                answer, sent = await self._present(endpoint, fresh, exchange), fresh
        if sent and answer.status == HTTPStatus.UNAUTHORIZED:
            answer.advice = sent.advice
        return answer

    async def _present(self, endpoint: Endpoint, proof: Proof | None, exchange: Exchange) -> Answer:
        if proof is None:
            return await exchange(None)
        if proof.header.startswith("Bearer "):
            return await exchange(proof.header)
        return await self._trials.send(
            endpoint, endpoint.host, proof.credential, lambda: exchange(proof.header), _is_own_401
        )

    async def _proof(self, endpoint: Endpoint, way: Challenge) -> Proof | None:
        """What is sent unasked, since the registry asked before."""
        if way.scheme == "bearer":
            return self._tokens.kept(endpoint) or await self._tokens.get(endpoint, way)
        found = await self._credentials.find(endpoint.host, endpoint.repository.path)
        if self._trials.spent(endpoint.host, found):
            return await self._reread(endpoint)
        return Proof(header=basic(found), credential=found) if found else None

    async def _renewed(
        self, endpoint: Endpoint, answer: Answer, sent: Proof | None
    ) -> Proof | None:
        """What to send after a 401, None if there is nothing to try."""
        key = (endpoint.host, endpoint.tls)
        asked = _choose(parse_challenges(answer.header_lines("WWW-Authenticate")))
        way = asked or self._ways.get(key)
        if way is None:
            return None
        self._ways[key] = way
        if sent is None:
            return await self._proof(endpoint, way)
        if way.scheme == "bearer":
            return await self._tokens.get(endpoint, way, refused=sent)
        return await self._reread(endpoint)

    async def _changed(
        self, endpoint: Endpoint, _answer: Answer, sent: Proof | None
    ) -> Proof | None:
        """What to send after a 403: only credentials that are new (fault row 5)."""
        way = self._ways.get((endpoint.host, endpoint.tls))
        if way is None:
            return None
        fresh = await self._reread(endpoint)
        if _credential(fresh) == _credential(sent):
            return None
        return fresh if way.scheme == "basic" else await self._tokens.get(endpoint, way, sent)

    async def _reread(self, endpoint: Endpoint) -> Proof | None:
        found = await self._credentials.refresh(endpoint.host, endpoint.repository.path)
        return Proof(header=basic(found), credential=found) if found else None


def _credential(proof: Proof | None) -> Credential | None:
    return proof.credential if proof else None


def _is_own_401(answer: Answer) -> bool:
    return answer.status == HTTPStatus.UNAUTHORIZED and not answer.redirected


def _choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Bearer before Basic, as every client does; other schemes are not spoken."""
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None
