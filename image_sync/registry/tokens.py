"""Bearer tokens: fetched from a registry's token server, kept while they last, one at a time.

distribution's docs/content/spec/auth/{token,oauth,scope}.md. The scope is built here, never taken
from a challenge.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

import anyio
import msgspec

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind, RegistryError
from image_sync.http import Http, Request
from image_sync.model import Endpoint, HostPolicy, Security
from image_sync.registry.access import Access
from image_sync.registry.answer import Answer
from image_sync.registry.challenge import Challenge
from image_sync.registry.credentials import Credentials, basic
from image_sync.registry.errors import RETRYABLE_STATUS
from image_sync.registry.realms import Realm, realm_of, withheld
from image_sync.registry.trials import Trials

MAX_TOKEN = 64 * 1024
"""Bytes of a token answer; real ones have under 8 KiB."""
_DEFAULT_LIFE = 60.0
"""Seconds a token lives if its answer does not say: token.md, `expires_in`."""
_SHORTEST_LIFE = 1.0  # seconds; for answers that say less, or nonsense
_USABLE_LIFE = 0.8
"""Part of a token's life in which it is used; the rest covers clocks and slow requests."""
_SWEEP = 1_024
"""Tokens that are kept before the expired ones are looked for; 2 to 4 KB each at Docker Hub."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """An `Authorization` header, and what stands behind it.

    Attributes:
        credential: Whose it is; None for an anonymous token.
        usable_until: Seconds on the clock.
        advice: What to do if it does not suffice.
    """

    header: str
    credential: Credential | None
    usable_until: float = float("inf")
    advice: str | None = None

    @property
    def is_token(self) -> bool:
        """True for a token, False for a password itself."""
        return self.header.startswith("Bearer ")


class Tokens:
    """The tokens of every repository, one for each kind of access."""

    def __init__(
        self,
        http: Http,
        credentials: Credentials,
        policies: Mapping[str, HostPolicy],
        trials: Trials,
        clock: Callable[[], float],
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._policies = policies
        self._trials = trials
        self._clock = clock
        self._kept: dict[Access, Proof] = {}
        self._flights: dict[Access, _Flight] = {}
        self._sweep_at = _SWEEP

    def kept(self, access: Access) -> Proof | None:
        """A token at hand that still lasts."""
        proof = self._kept.get(access)
        return proof if proof and self._clock() < proof.usable_until else None

    async def get(self, access: Access, way: Challenge, refused: Proof | None = None) -> Proof:
        """A token: kept, or fetched by one request however many ask for it.

        Args:
            access: What it is for.
            way: The registry's challenge.
            refused: The one that did not do.

        Raises:
            RegistryError: There is none to be had.
        """
        flight = self._flights.setdefault(access, _Flight())
        flight.passengers += 1
        try:
            async with flight.turn:
                if flight.error:
                    raise flight.error
                kept = self.kept(access)
                if kept and (refused is None or kept.header != refused.header):
                    return kept
                return await self._fly(flight, access, way, reread=refused is not None)
        finally:
            flight.passengers -= 1
            if not flight.passengers:
                del self._flights[access]

    async def _fly(
        self, flight: "_Flight", access: Access, way: Challenge, *, reread: bool
    ) -> Proof:
        """A fetched token, kept; a failure is everybody's who waits for it."""
        try:
            proof = await self._fetch(access, way, reread=reread)
        except RegistryError as error:
            flight.error = error
            raise
        self._kept[access] = proof
        if len(self._kept) >= self._sweep_at:
            now = self._clock()
            self._kept = {a: kept for a, kept in self._kept.items() if now < kept.usable_until}
            self._sweep_at = max(_SWEEP, 2 * len(self._kept))
        return proof

    async def _fetch(self, access: Access, way: Challenge, *, reread: bool) -> Proof:
        endpoint = access.endpoint
        policy = self._policies.get(endpoint.host, HostPolicy())
        clear = self._http.security(endpoint.host, endpoint.tls) is Security.CLEAR
        realm = realm_of(endpoint, way, policy.realm_hosts, clear=clear)
        host, path = endpoint.host, endpoint.repository.path
        find = self._credentials.refresh if reread else self._credentials.find
        found = await find(host, path)
        if not realm.trusted:
            advice = withheld(endpoint, realm) if found else None
            answer = await self._ask(access, realm, None)
            return self._proof(access, answer, None, advice)
        if self._trials.spent(realm.place, found):
            found = await self._credentials.refresh(host, path)
        answer = await self._ask(access, realm, found)
        if found and _refuses_password(answer):
            fresh = await self._credentials.refresh(host, path)
            if fresh != found:
                found, answer = fresh, await self._ask(access, realm, fresh)
        return self._proof(access, answer, found, None)

    async def _ask(self, access: Access, realm: Realm, credential: Credential | None) -> Answer:
        request = _token_request(access, realm, credential)

        async def exchange() -> Answer:
            async with self._http.send(request) as response:
                return await Answer.read(request.method, response, MAX_TOKEN)

        return await self._trials.send(
            access.endpoint, realm.place, credential, exchange, _refuses_password
        )

    def _proof(
        self, access: Access, answer: Answer, credential: Credential | None, advice: str | None
    ) -> Proof:
        """The token in an answer.

        Raises:
            RegistryError: There is none.
        """
        endpoint = access.endpoint
        if answer.status != HTTPStatus.OK:
            raise _refused(endpoint, answer, advice)
        found = _decode(answer.body)
        if found is None:
            raise _no_token(endpoint, answer)
        token, life = found
        if advice is None and credential is not None:
            advice = (
                f"the token server knows these credentials, but they lack {access.actions} on "
                f"{endpoint.repository}, or it does not exist"
            )
        return Proof(
            header=f"Bearer {token}",
            credential=credential,
            usable_until=self._clock() + life * _USABLE_LIFE,
            advice=advice,
        )


class _Flight:
    """One token request in flight, and who waits for it."""

    def __init__(self) -> None:
        self.turn = anyio.Lock(fast_acquire=True)
        self.passengers = 0
        self.error: RegistryError | None = None


def _token_request(access: Access, realm: Realm, credential: Credential | None) -> Request:
    service = [("service", realm.service)] if realm.service is not None else []
    method, target, content = "GET", realm.url, None
    headers: dict[str, str] = {}
    if credential and credential.identity_token:
        query = [
            ("scope", " ".join(access.scopes)),  # oauth.md: a list in one parameter
            *service,
            ("grant_type", "refresh_token"),
            ("refresh_token", credential.identity_token),
            ("client_id", "image-sync"),
        ]
        method, content = "POST", urlencode(query).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    else:
        scopes = [("scope", scope) for scope in access.scopes]  # token.md: a parameter for each
        query = scopes + service
        target += f"{'&' if urlsplit(target).query else '?'}{urlencode(query)}"
        if credential:
            headers["Authorization"] = basic(credential)
    endpoint = access.endpoint
    return Request(
        side=endpoint.side,
        host=endpoint.host,
        tls=endpoint.tls,
        method=method,
        target=target,
        headers=headers,
        content=content,
        repository=endpoint.repository.path,
    )


class _TokenAnswer(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None
    expires_in: float | str | None = None  # seconds; oauth.md's number is some servers' text


def _decode(body: bytes) -> tuple[str, float] | None:
    """Token and life in seconds; None if there is no token in it."""
    try:
        answer = msgspec.json.decode(body, type=_TokenAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    token = answer.token or answer.access_token
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        return None
    try:
        life = _DEFAULT_LIFE if answer.expires_in is None else float(answer.expires_in)
    except ValueError:
        life = _DEFAULT_LIFE
    return token, max(_SHORTEST_LIFE, life)  # the shortest for NaN, too


def _refuses_password(answer: Answer) -> bool:
    """Whether a token server does not know who we are, whatever was asked for.

    RFC 6749, section 5.2, answers a bad refresh token with 400.
    """
    bad_grant = answer.status == HTTPStatus.BAD_REQUEST and answer.method == "POST"
    return answer.status == HTTPStatus.UNAUTHORIZED or bad_grant


def _refused(endpoint: Endpoint, answer: Answer, advice: str | None) -> RegistryError:
    """The error of a token server; never one that would speak of the image, such as 404."""
    refusal = answer.error(endpoint)
    match answer.status:
        case status if status in RETRYABLE_STATUS:
            kind = ErrorKind.UNAVAILABLE
        case HTTPStatus.FORBIDDEN:
            kind = ErrorKind.DENIED
        case _:
            kind = ErrorKind.UNAUTHORIZED
    words = refusal.message.removeprefix(f"{endpoint.repository}: ")
    return RegistryError(
        f"{endpoint.repository}: the token server refused: {words}",
        kind,
        side=endpoint.side,
        method=refusal.method,
        url=refusal.url,
        status=refusal.status,
        codes=refusal.codes,
        retry_after=refusal.retry_after,
        hint=advice,
    )


def _no_token(endpoint: Endpoint, answer: Answer) -> RegistryError:
    return RegistryError(
        f"{endpoint.repository}: the token server answered without a token",
        ErrorKind.UNAUTHORIZED,
        side=endpoint.side,
        method=answer.method,
        url=answer.error(endpoint).url,
        status=answer.status,
        hint="what answers there is no token server; is a proxy or a login page in between?",
    )
