"""Short ways to ask, so that tests read as what they promise."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import anyio.lowlevel

from image_sync.credentials import Credential
from image_sync.errors import RegistryError, Side
from image_sync.events import Emit, Event
from image_sync.http import Deadlines, Http
from image_sync.model import Endpoint, HostPolicy, TlsPolicy
from image_sync.oci import Repository
from image_sync.registry import Authenticator, Credentials, RegistryClient
from image_sync.registry.ways import Ways

REPOSITORY = "team/app"
CANARY = "canary-5b1e77"
"""A secret that must be found nowhere but where it belongs."""
HASTY = Deadlines(connect=0.5, headers=0.2, idle=0.2)
"""Deadlines that a test can wait for."""


OPERATOR = Credential("operator", CANARY)


class Wallet:
    """Credentials in memory; `renewed` is what comes to light when they are read again."""

    def __init__(
        self, account: Credential | None = None, renewed: Credential | None = None
    ) -> None:
        self.account = account
        self.renewed = renewed
        self.rereads = 0

    async def find(self, host: str, path: str) -> Credential | None:
        await anyio.lowlevel.checkpoint()
        return self.account

    async def refresh(self, host: str, path: str) -> Credential | None:
        await anyio.lowlevel.checkpoint()
        self.rereads += 1
        self.account = self.renewed or self.account
        return self.account


class Pauses:
    """Sleeps that are over at once, and how long they should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await anyio.lowlevel.checkpoint()


def _unheard(event: Event) -> None:
    """Nobody listens."""


@asynccontextmanager
async def asking(
    wallet: Credentials | Credential | None = None,
    *,
    policies: Mapping[str, HostPolicy] | None = None,
    clock: Callable[[], float] | None = None,
    pauses: Pauses | None = None,
    deadlines: Deadlines | None = None,
    emit: Emit = _unheard,
) -> AsyncIterator[RegistryClient]:
    """A client of its own, whose pauses between tries take no time.

    It sends small blobs as large ones: in requests of their own, after which an upload can go on.
    """
    hosts = policies or {}
    credentials = Wallet(wallet) if wallet is None or isinstance(wallet, Credential) else wallet
    async with Http(policies=hosts, emit=emit, deadlines=deadlines or Deadlines()) as http:
        if clock:
            authenticator = Authenticator(http, credentials, hosts, clock)
        else:
            authenticator = Authenticator(http, credentials, hosts)
        client = RegistryClient(http, authenticator, sleep=pauses or Pauses())
        client.ways = Ways(small=0)
        yield client


def source(host: str, repository: str = REPOSITORY, tls: TlsPolicy = TlsPolicy.PLAIN) -> Endpoint:
    """A repository that is read."""
    return Endpoint(Side.SOURCE, Repository(host, repository), tls)


def target(host: str, repository: str = REPOSITORY, tls: TlsPolicy = TlsPolicy.PLAIN) -> Endpoint:
    """A repository that is written."""
    return Endpoint(Side.TARGET, Repository(host, repository), tls)


async def failure(asked: Awaitable[object]) -> RegistryError:
    """The error that a question ends in."""
    try:
        answer = await asked
    except RegistryError as error:
        return error
    raise AssertionError(f"it was answered: {answer!r}")


def texts(error: RegistryError) -> str:
    """Everything that an error could show to anybody."""
    return " ".join(map(repr, (str(error), error.hint, error.args, vars(error))))
