"""The embedded registry, where that is the cache: served for as long as it is needed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from image_sync.config import EmbeddedEntry, Resolved
from image_sync.config.listen import parse_listen
from image_sync.errors import ConfigError, ListenError, Problem, StoreError
from image_sync.events import Emit, Warned

_IN_A_POD = (
    "the embedded registry keeps its images on this container's own disk, which is gone with it: "
    "name a registry in the cluster, such as Zot, as cache_registry"
)


@asynccontextmanager
async def hosted(resolved: Resolved, emit: Emit, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """The cache, served as long as the `async with` if it is the embedded registry.

    One that another process of ours serves from the same folder under the same address is used.

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
        await _serve(entry, resolved.cache.host, emit, environ, stack)
        yield


async def _serve(
    entry: EmbeddedEntry, host: str, emit: Emit, environ: Mapping[str, str], stack: AsyncExitStack
) -> None:
    """Serve it until the stack closes, unless it is served already."""
    # Imported here: a pass into a registry elsewhere needs no server.
    from image_sync.embedded import served_by, serving_registry  # noqa: PLC0415
    from image_sync.runtime.serve import Address  # noqa: PLC0415

    root, listen = _root(entry, environ), parse_listen(entry.listen)
    assert listen, "it was valid"  # noqa: S101
    if served_by(root) == host:
        return
    try:
        await stack.enter_async_context(serving_registry(root, Address(*listen), emit))
    except StoreError as error:
        raise ConfigError([Problem(str(error), path="cache_registry.path")]) from error
    except ListenError as error:
        raise ConfigError([Problem(str(error), path="cache_registry.listen")]) from error


def _root(entry: EmbeddedEntry, environ: Mapping[str, str]) -> Path:
    from image_sync.embedded import default_root  # noqa: PLC0415

    return Path(entry.path).expanduser() if entry.path else default_root(environ)
