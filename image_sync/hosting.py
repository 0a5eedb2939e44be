"""The embedded registry, where that is the cache: served for as long as it is needed.

One that another process of ours serves from the same folder is used as long as that goes on, and
served from here afterwards. Two processes never write to one folder.

Not here: the registry (`embedded/`), and serving it for others (`cli/registry.py`).
"""

import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import NoReturn

import anyio
import msgspec

from image_sync.config import EmbeddedEntry, Resolved
from image_sync.config.listen import parse_listen
from image_sync.errors import (
    ConfigError,
    ListenError,
    Problem,
    StoreError,
    StoreInUseError,
)
from image_sync.events import Emit, Event, RegistryServed, RegistryShared, Warned
from image_sync.runtime.beside import Task, beside
from image_sync.runtime.files import private_folder

_IN_A_POD = (
    "the embedded registry keeps its images on this container's own disk, which is gone with it: "
    "name a registry in the cluster, such as Zot, as cache_registry"
)
_LOOK = 0.1
"""Seconds between two looks at a folder that another process has; a refused connection is tried
again for seconds."""
_LOOKS = 50
"""Looks at a folder that somebody has and does not serve: he is starting or ending."""


class Purpose(Enum):
    """What the cache is served for."""

    READING = "reading"
    """What is not there is not made; it ends with the work."""
    ONE_PASS = "one pass"  # noqa: S105 - no password
    """It ends with the work."""
    LASTING = "lasting"
    """Until a signal ends it."""


@asynccontextmanager
async def hosted(
    resolved: Resolved, purpose: Purpose, emit: Emit, environ: Mapping[str, str]
) -> AsyncIterator[None]:
    """The cache, served as long as the `async with` if it is the embedded registry.

    Args:
        resolved: The configuration.
        purpose: What it is served for.
        emit: Takes the events.
        environ: Says where its folder is by default, and whether this is a Pod.

    Raises:
        ConfigError: Its folder or its address cannot be had.
    """
    entry = resolved.cache.embedded
    if entry is None:
        yield
        return
    if environ.get("KUBERNETES_SERVICE_HOST"):
        emit(Warned("cache", _IN_A_POD))
    async with AsyncExitStack() as stack:
        hosting = _Hosting(entry, resolved.cache.host, purpose, emit, environ)
        await stack.enter_async_context(beside(await hosting.start(stack)))
        yield


class _Hosting:
    """One embedded registry, and the way it is served."""

    def __init__(
        self,
        entry: EmbeddedEntry,
        host: str,
        purpose: Purpose,
        emit: Emit,
        environ: Mapping[str, str],
    ) -> None:
        self._root = _root(entry, environ)
        self._entry = entry
        self._host = host
        self._purpose = purpose
        self._emit = emit
        self._named = entry.path is not None

    async def start(self, stack: AsyncExitStack) -> list[Task]:
        """Serve it until the stack closes, or find it served; what is to be done beside the work.

        Raises:
            ConfigError: Its folder or its address cannot be had.
        """
        if self._purpose is Purpose.READING and _is_missing(self._root):
            # What only looks leaves nothing behind, so that an empty registry stands for this one.
            self._root = stack.enter_context(private_folder()) / "registry"
            self._emit = _nobody
        for _ in range(_LOOKS):
            try:
                await stack.enter_async_context(self._serving())
            except StoreInUseError as error:
                if error.address and not _reaches(error.address, self._host):
                    self._refuse(error.address)
                if error.address:
                    self._emit(RegistryShared(error.address, str(self._root)))
                    return [self._succeed]
                await anyio.sleep(_LOOK)
            except StoreError as error:
                raise ConfigError([Problem(str(error), path="cache_registry.path")]) from error
            except ListenError as error:
                advice = "set cache_registry.listen, as in --cache '{listen: 127.0.0.1:5051}'"
                text = f"{error}: {advice}, or name what listens there with --cache {self._host}"
                raise ConfigError([Problem(text, path="cache_registry.listen")]) from error
            else:
                return []
        text = f"another process has the folder {self._root} and does not serve it: end that one"
        raise ConfigError([Problem(text, path="cache_registry.path")])

    async def _succeed(self) -> None:
        """Serve it as soon as the process that serves it has ended."""
        told = ""
        while True:
            await anyio.sleep(_LOOK)
            try:
                async with self._serving():
                    await anyio.sleep_forever()
            except StoreInUseError:
                told = ""  # the other goes on
            except (StoreError, ListenError) as error:
                if str(error) != told:
                    told = str(error)
                    text = f"nobody serves the embedded registry now: {told}; it is tried again"
                    self._emit(Warned("cache", text))

    def _serving(self) -> AbstractAsyncContextManager[object]:
        # Imported here: a pass into a registry elsewhere needs no server.
        from image_sync.embedded import serving_registry  # noqa: PLC0415
        from image_sync.runtime.serve import Address  # noqa: PLC0415

        listen = parse_listen(self._entry.listen)
        assert listen, "it was valid"  # noqa: S101
        # Not read-only for one who only looks: a pass beside it uses this registry.
        return serving_registry(self._root, Address(*listen), self._tell)

    def _tell(self, event: Event) -> None:
        """Pass an event on; where the registry ends with the work, with how to go on serving it."""
        if isinstance(event, RegistryServed) and self._purpose is not Purpose.LASTING:
            event = msgspec.structs.replace(event, afterwards=self._command())
        self._emit(event)

    def _command(self) -> str:
        """What serves the same folder at the same address."""
        words = ["image-sync", "serve"]
        if self._named:
            words += ["--root", str(self._root)]
        if self._entry.listen != EmbeddedEntry().listen:
            words += ["--listen", self._host]
        return shlex.join(words)

    def _refuse(self, address: str) -> NoReturn:
        text = (
            f"another image-sync serves the folder {self._root} at {address}, and not at "
            f"{self._host}: name that one with --cache {address}, or end it"
        )
        raise ConfigError([Problem(text, path="cache_registry")])


def _nobody(event: Event) -> None:
    """Tell nobody."""
    del event


def _root(entry: EmbeddedEntry, environ: Mapping[str, str]) -> Path:
    """The folder of the images.

    Raises:
        ConfigError: There is no place for it.
    """
    from image_sync.embedded import default_root  # noqa: PLC0415

    if entry.path is not None:
        return Path(entry.path)
    try:
        return default_root(environ)
    except StoreError as error:
        text = f"{error}, as in --cache '{{path: /srv/registry}}'"
        raise ConfigError([Problem(text, path="cache_registry.path")]) from error


def _is_missing(folder: Path) -> bool:
    """Whether it is not there; not so if nobody can know."""
    try:
        folder.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # who opens it will say why
    return False


def _reaches(address: str, host: str) -> bool:
    """Whether who serves at an address is found at a host of this machine."""
    served, _, port = address.rpartition(":")
    wanted, _, wanted_port = host.rpartition(":")
    everywhere = served == "[::]" or (served == "0.0.0.0" and not wanted.startswith("["))  # noqa: S104
    return port == wanted_port and (everywhere or served == wanted)
