"""The builtin engine: each byte once, straight from registry to registry.

What it shares between copies, and its errors as an engine's. How one image is copied is in
`image.py`.
"""

from collections.abc import Awaitable, Callable

import anyio

from image_sync.engines.base import Copied, CopyRequest, Refusal, Turn
from image_sync.engines.builtin.allowance import OutOfTime
from image_sync.engines.builtin.bandwidth import Bandwidth
from image_sync.engines.builtin.blobs import Shared
from image_sync.engines.builtin.flights import Flights
from image_sync.engines.builtin.holders import Holders
from image_sync.engines.builtin.image import ImageCopy
from image_sync.engines.builtin.neighbours import Neighbours
from image_sync.engines.builtin.uploads import Uploads
from image_sync.engines.builtin.window import SIZE, Window
from image_sync.errors import EngineError, ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry import RegistryClient

_TIDYING = 2.0
"""Seconds for deleting old uploads after a copy; most copies have none. The next one goes on with
what is left."""


class Builtin:
    """Copies over the distribution API, all images of the process together.

    Args:
        client: For all requests.
        bandwidth: How many bytes of blobs pass in a second; any number if None.
        window: Bytes of blobs that may be in memory.
        sleep: Waits some seconds, before a blob is asked for again.
    """

    name = "builtin"
    resumes = True
    vouches = True

    def __init__(
        self,
        client: RegistryClient,
        *,
        bandwidth: Bandwidth | None = None,
        window: int = SIZE,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        holders = Holders()
        self._shared = Shared(
            client=client,
            window=Window(window),
            bandwidth=bandwidth or Bandwidth(),
            flights=Flights(),
            holders=holders,
            neighbours=Neighbours(client, holders),
            uploads=Uploads(),
            sleep=sleep,
        )

    async def refusal(self, request: CopyRequest) -> Refusal | None:  # noqa: ARG002 - of all alike
        """Nothing is refused."""
        return None

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        """Copy.

        Raises:
            EngineError: A registry refused or failed, or the time was over.
        """
        copying = ImageCopy(self._shared, request, turn)
        try:
            return await copying.run()
        except OutOfTime:
            raise _too_slow(request, copying.moved) from None
        except RegistryError as error:
            raise _failed(error) from error
        finally:
            with anyio.move_on_after(_TIDYING):
                await self._shared.uploads.tidy()

    def neighbour(self, endpoint: Endpoint, digest: Digest) -> None:
        """Take note of an image in a cache, whose manifests are read if its blobs may help."""
        self._shared.neighbours.add(endpoint, digest)

    async def aclose(self) -> None:
        """Delete the uploads that nobody goes on with; the caller bounds the time."""
        await self._shared.uploads.aclose()


def _too_slow(request: CopyRequest, moved: int) -> EngineError:
    return EngineError(
        f"{request.source.repository}@{request.digest} needs longer than "
        f"settings.pull_timeout_secs ({request.deadline:g} s); {moved} bytes came, and the next "
        "attempt goes on from there",
        ErrorKind.TIMEOUT,
        engine=Builtin.name,
        progressed=moved > 0,
    )


def _failed(error: RegistryError) -> EngineError:
    return EngineError(
        str(error).removeprefix(f"{error.side}: "),
        error.kind,
        engine=Builtin.name,
        side=error.side,
        retry_after=error.retry_after,
        hint=error.hint,
    )
