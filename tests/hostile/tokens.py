"""A token endpoint, and the registry's side of it: Docker's token authentication.

Faults of the endpoint are injected here like those of a registry: path `/token`.
"""

import json
import ssl
from collections.abc import Mapping
from itertools import count
from urllib.parse import parse_qs, parse_qsl

import msgspec
from typing_extensions import override

from tests.hostile.authorization import Access, basic_credentials
from tests.hostile.message import Request
from tests.hostile.response import Response, error, response
from tests.hostile.server import Server


class Token(msgspec.Struct):
    """What one token may do, and how often still."""

    access: Access
    uses_left: int | None  # None: no limit

    def use(self) -> bool:
        """Whether it still works; counts."""
        if self.uses_left is None:
            return True
        self.uses_left -= 1
        return self.uses_left >= 0


class TokenServer(Server):
    """Gives tokens for `accounts` (user -> password), or to anybody if there are none."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(address, tls=tls)
        self.accounts = dict(accounts or {})
        self.refresh_tokens: set[str] = set()  # accepted by POST with grant_type=refresh_token
        self.expires_in: int | None = 300  # seconds, as told to the client; None: not told
        self.uses_per_token: int | None = None  # then the registry answers 401 (fault row 2)
        self.withheld: frozenset[str] = frozenset()  # actions never granted (fault row 3)
        self.tokens: dict[str, Token] = {}
        self._numbers = count(1)

    @property
    def realm(self) -> str:
        """The URL for a challenge."""
        return f"{self.url}/token"

    def revoke(self) -> None:
        """Make every token given so far worthless (fault row 2)."""
        self.tokens.clear()

    @override
    def answer(self, request: Request) -> Response:
        if request.path != "/token":
            return response(404, b"no such page\n", media_type="text/plain")
        form = request.body.decode("latin-1") if request.method == "POST" else request.query
        if not self._knows(request, dict(parse_qsl(form))):
            return error(401, "UNAUTHORIZED", "incorrect username or password")
        access = frozenset(
            (repository, action)
            for scope in parse_qs(form).get("scope", [])
            for repository, action in _granted(scope)
            if action not in self.withheld
        )
        token = f"token-{next(self._numbers)}-of-{self.host}"
        self.tokens[token] = Token(access, self.uses_per_token)
        life = {} if self.expires_in is None else {"expires_in": self.expires_in}
        body = json.dumps({"token": token, "access_token": token, **life}).encode()
        return response(200, body, media_type="application/json")

    def _knows(self, request: Request, form: Mapping[str, str]) -> bool:
        if form.get("grant_type") == "refresh_token":
            return form.get("refresh_token") in self.refresh_tokens
        credentials = basic_credentials(request.headers)
        if credentials is None and form.get("grant_type") == "password":
            credentials = (form.get("username", ""), form.get("password", ""))
        if credentials is None:
            return not self.accounts
        return self.accounts.get(credentials[0]) == credentials[1]


def _granted(scopes: str) -> Access:
    """The access that a scope asks for; several may stand in one, divided by spaces."""
    access = set()
    for scope in scopes.split(" "):
        kind, _, rest = scope.partition(":")
        repository, _, actions = rest.rpartition(":")
        if kind == "repository":
            access |= {(repository, action) for action in actions.split(",")}
    return frozenset(access)


class Bearer:
    """A registry's rule: a token of that server with the access that the request needs."""

    def __init__(self, tokens: TokenServer, service: str = "hostile") -> None:
        self.realm: str | None = None  # set: named in the challenge instead of the server's own
        self.refused: list[Request] = []  # those that got a challenge
        self._tokens = tokens
        self._service = service

    def refuse(self, request: Request, needed: Access) -> Response | None:
        """401 with a Bearer challenge, unless the token does."""
        refusal = self._refusal(request, needed)
        if refusal:
            self.refused.append(request)
        return refusal

    def challenge(self, needed: Access, problem: str = "") -> str:
        """What names the token that would do."""
        fields = [f'realm="{self.realm or self._tokens.realm}"', f'service="{self._service}"']
        for repository in sorted({repository for repository, _ in needed}):
            actions = sorted(action for name, action in needed if name == repository)
            fields.append(f'scope="repository:{repository}:{",".join(actions)}"')
        if problem:
            fields.append(f'error="{problem}"')
        return f"Bearer {','.join(fields)}"

    def _refusal(self, request: Request, needed: Access) -> Response | None:
        scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            return self._challenge(needed)
        token = self._tokens.tokens.get(value)
        if token is None or not token.use():
            return self._challenge(needed, "invalid_token")
        return None if needed <= token.access else self._challenge(needed, "insufficient_scope")

    def _challenge(self, needed: Access, problem: str = "") -> Response:
        challenge = ("WWW-Authenticate", self.challenge(needed, problem))
        return error(401, "UNAUTHORIZED", "authentication required", challenge)
