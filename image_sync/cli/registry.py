"""The embedded registry alone, for `image-sync serve`; loads a server, which other verbs do not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import anyio

from image_sync.cli import exit_codes
from image_sync.cli.streams import write_result
from image_sync.config.listen import parse_listen
from image_sync.embedded import (
    GRACE,
    UNREADABLE,
    Access,
    default_root,
    opened,
    read_accounts,
    serving_registry,
)
from image_sync.errors import ConfigError, ListenError, Problem, StoreError
from image_sync.events import Stopped, Warned
from image_sync.observe import EventLog
from image_sync.observe.quantities import human_bytes
from image_sync.runtime.certificate import Certificate, context_of
from image_sync.runtime.serve import Address, is_loopback
from image_sync.runtime.signals import ENDING, Ending, acting_on

_UNSAFE = (
    "{} can be reached from other machines, and anybody there could use it: name accounts with "
    "--auth-file, or say --insecure-public"
)

_IN_CLEAR = "passwords travel in clear: --tls-cert and --tls-key have it speak TLS"


class Wanted(NamedTuple):
    """What the options say, as given."""

    root: Path | None
    listen: str
    auth_file: Path | None
    tls: tuple[Path | None, Path | None]  # certificate and key
    insecure_public: bool
    read_only: bool


def until_stopped(wanted: Wanted) -> int:
    """Serve until a signal ends the process."""
    address = _address(wanted.listen)
    accounts = read_accounts(wanted.auth_file) if wanted.auth_file else None
    if not (accounts or wanted.insecure_public or is_loopback(address)):
        raise ConfigError([Problem(_UNSAFE.format(wanted.listen), path="--listen")])
    access = Access(accounts=accounts, read_only=wanted.read_only)
    with _told_of_folder():
        anyio.run(_serve, _root(wanted.root), address, access, _certificate(*wanted.tls))
    return exit_codes.OK


def collect_garbage(root: Path | None) -> int:
    """Remove what nothing needs."""
    with _told_of_folder(), opened(_root(root), make=False) as store:
        try:
            found = store.collect(GRACE)
        except OSError as error:
            text = f"what nothing needs in {store.root} could not be removed: {error}"
            raise StoreError(text) from error
    text = (
        f"removed {found.manifests} manifests and {found.blobs} files: "
        f"{human_bytes(found.size)} freed"
    )
    if found.unreadable:
        text = f"{text}\n{UNREADABLE.format(found.unreadable)}"
    write_result(lambda stream: print(text, file=stream))
    return exit_codes.OK


@contextmanager
def _told_of_folder() -> Iterator[None]:
    """Have it told by which option a folder was named that cannot be used."""
    try:
        yield
    except StoreError as error:
        raise ConfigError([Problem(str(error), path="--root")]) from error


def _root(named: Path | None) -> Path:
    return named or default_root(os.environ)


async def _serve(
    root: Path, address: Address, access: Access, certificate: Certificate | None
) -> None:
    """Serve until a signal comes.

    Raises:
        ConfigError: The address cannot be had.
        StoreError: The folder cannot be used.
    """
    emit, over = EventLog(), anyio.Event()
    if access.accounts and certificate is None and not is_loopback(address):
        emit(Warned("registry", _IN_CLEAR))
    ending = Ending(lambda _: over.set())
    try:
        async with (
            acting_on(dict.fromkeys(ENDING, ending)),
            serving_registry(root, address, emit, access, certificate),
        ):
            await over.wait()
        emit(Stopped(signal=ending.signal))
    except ListenError as error:
        raise ConfigError([Problem(str(error), path="--listen")]) from error


def _address(text: str) -> Address:
    """Where to listen.

    Raises:
        ConfigError: That is nowhere.
    """
    try:
        parsed = parse_listen(text)
    except ValueError as error:
        raise ConfigError([Problem(str(error), path="--listen")]) from error
    if parsed is None:
        raise ConfigError([Problem("a registry must listen: name HOST:PORT", path="--listen")])
    return Address(*parsed)


def _certificate(chain: Path | None, key: Path | None) -> Certificate | None:
    """What to show, None for plain HTTP.

    Raises:
        ConfigError: They cannot be used, or one of them is missing.
    """
    if chain and key:
        certificate = Certificate(chain, key)
        try:
            context_of(certificate)
        except ListenError as error:
            text = f"{error}: {error.hint}"
            raise ConfigError([Problem(text, path="--tls-cert")]) from error
        return certificate
    if chain or key:
        given, wanted = ("--tls-cert", "--tls-key") if chain else ("--tls-key", "--tls-cert")
        raise ConfigError([Problem(f"it wants {wanted}, too", path=given)])
    return None
