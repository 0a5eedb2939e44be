"""A registry that runs, and how it is reached."""

from pathlib import Path

import msgspec

from tests.real.accounts import Account
from tests.real.children import Child
from tests.real.content import Image, push
from tests.real.recorder import Recorder
from tests.real.tls import Authority
from tests.real.tokens import TokenServer
from tests.real.wire import Authorize, RegistryApi


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """How a registry is reached.

    `authority` signs its certificate; without one it speaks plain HTTP. Without
    `accounts` everybody may use it. `token_auth` challenges for a token in place of
    Basic; its server is at `/token` of the registry's own host where there is a
    recorder, and on a port of its own without one or with `realm_apart`.
    """

    address: str = "127.0.0.1"
    authority: Authority | None = None
    accounts: tuple[Account, ...] = ()
    token_auth: bool = False
    realm_apart: bool = False
    record: bool = False


class RunningRegistry:
    """A registry that serves at `scheme://host`, as its clients see it."""

    def __init__(
        self,
        child: Child,
        root: Path,
        serving: Serving,
        *,
        recorder: Recorder | None,
        tokens: TokenServer | None,
    ) -> None:
        """`root` is the folder with what the registry stores, as it stores it."""
        self.root = root
        self.scheme = "https" if serving.authority else "http"
        self.ca_file = serving.authority.ca_file if serving.authority else None
        self.accounts = serving.accounts
        self.host = recorder.host if recorder else child.host
        self.api = RegistryApi(
            child.host,
            ca_file=None if recorder else self.ca_file,
            authorize=_authorize(serving.accounts, tokens),
        )
        self._child = child
        self._recorder = recorder
        self._tokens = tokens

    @property
    def account(self) -> Account:
        """The first account that may use it."""
        return self.accounts[0]

    @property
    def recorder(self) -> Recorder:
        """What stands before it."""
        assert self._recorder is not None, "start this registry with Serving(record=True)"
        return self._recorder

    @property
    def tokens(self) -> TokenServer:
        """What gives its tokens."""
        assert self._tokens is not None, "start this registry with Serving(token_auth=True)"
        return self._tokens

    @property
    def log(self) -> Path:
        """The file with the registry's output."""
        return self._child.log

    @property
    def pid(self) -> int:
        """Of the registry's process."""
        return self._child.pid

    def push(self, repository: str, tag: str, image: Image) -> str:
        """Put an image there, past the recorder; its digest."""
        return push(self.api, repository, tag, image)

    def kill(self) -> None:
        """End it as a crash would; its clients are refused."""
        self._child.kill()
        if self._recorder is not None:
            self._recorder.go_away()

    def stop(self) -> None:
        """End it in order; its clients are refused."""
        self._child.stop()
        if self._recorder is not None:
            self._recorder.go_away()

    def restart(self) -> None:
        """Start it again, on the same port and over the same storage."""
        self._child.kill()
        self._child.start()
        if self._recorder is not None:
            self._recorder.listen()


def _authorize(accounts: tuple[Account, ...], tokens: TokenServer | None) -> Authorize:
    """The right to do everything, for the tests' own requests."""

    def bearer(repository: str) -> str | None:
        assert tokens is not None
        scopes = [f"repository:{repository}:pull,push,delete"] if repository else []
        return f"Bearer {tokens.mint(*scopes)}"

    if tokens is not None:
        return bearer
    basic = accounts[0].basic() if accounts else None
    return lambda _repository: basic
