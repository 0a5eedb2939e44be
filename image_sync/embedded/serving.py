"""A registry that is served for the time of a block, and tidied up meanwhile."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
from anyio import to_thread

from image_sync.embedded.app import Access, application
from image_sync.embedded.store import Store, opened
from image_sync.embedded.uploads import Uploads
from image_sync.errors import StoreError
from image_sync.events import Emit, GarbageCollected, RegistryServed, Warned
from image_sync.runtime.beside import beside
from image_sync.runtime.certificate import Certificate
from image_sync.runtime.serve import REGISTRY, Address, App, is_loopback, serving

GRACE = 3600.0
"""Seconds for which everything stays that somebody counted on last: longer than a push takes from
its first blob to its manifest. Zot's `gcDelay`."""
UNREADABLE = (
    "{} manifests cannot be read, so nothing was removed from their repositories: push them again, "
    "or delete them"
)
"""What to say where `Collected.unreadable` is not 0."""
_COLLECT_EVERY = 86_400.0
_EXPIRE_EVERY = 60.0


def default_root(environ: Mapping[str, str]) -> Path:
    """The folder where nobody names one: XDG Base Directory Specification 0.8, XDG_DATA_HOME.

    Args:
        environ: The environment.

    Raises:
        StoreError: This account has no place for it.
    """
    data = environ.get("XDG_DATA_HOME", "")
    try:
        base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise StoreError("this account has no home folder: name one") from error
    return base / "image-sync" / "registry"


@asynccontextmanager
async def serving_registry(
    root: Path,
    address: Address,
    emit: Emit,
    access: Access | None = None,
    certificate: Certificate | None = None,
    around: Callable[[App], App] | None = None,
) -> AsyncIterator[Address]:
    """Serve the repositories below a folder for the time of a block, and tell where.

    Once a day what nothing needs is removed, unless it is read-only; also where each process ends
    sooner than that.

    Args:
        root: The folder; made if it is not there, unless nothing may be changed.
        address: Where to listen.
        emit: Takes the events.
        access: Who may do what.
        certificate: What it shows; it speaks TLS then.
        around: Puts something before the application that sees every request and answer.

    Raises:
        StoreInUseError: Another process has the folder; the block is not entered.
        StoreError: It cannot be used; the block is not entered.
        ListenError: The address cannot be had or the certificate not be used; the block is not
            entered.
    """
    read_only = access is not None and access.read_only
    with opened(root, make=not read_only) as store:
        uploads = Uploads()
        access = msgspec.structs.replace(access or Access(), local=is_loopback(address))
        app = application(store, uploads, emit, access)
        app = around(app) if around else app
        tidying = [] if read_only else [_Tidying(store, uploads, emit).run]
        try:
            profile = msgspec.structs.replace(REGISTRY, certificate=certificate)
            async with serving(app, address, profile) as found, beside(tidying):
                store.announce(str(found))
                emit(RegistryServed(str(found), str(root)))
                yield found
        finally:
            uploads.close()


class _Tidying:
    def __init__(self, store: Store, uploads: Uploads, emit: Emit) -> None:
        self._store = store
        self._uploads = uploads
        self._emit = emit

    async def run(self) -> None:
        """Give up stale uploads each minute, and collect once a day, for ever."""
        while True:
            try:
                self._uploads.expire()
                await self._collect()
            except OSError as error:
                text = f"what nothing needs could not be removed: {error}; it is tried again"
                self._emit(Warned("registry", text))
            await anyio.sleep(_EXPIRE_EVERY)

    async def _collect(self) -> None:
        if self._store.since_collected() < _COLLECT_EVERY:
            return
        found = await to_thread.run_sync(self._store.collect, GRACE, abandon_on_cancel=True)
        if found.manifests or found.blobs:
            self._emit(GarbageCollected(found.manifests, found.blobs, found.size))
        if found.unreadable:
            self._emit(Warned("registry", UNREADABLE.format(found.unreadable)))
