"""Images that a cache is known to hold: where to look for a blob before it is fetched anew.

Their manifests are read only when a blob is missing that may lie in one of them, each once.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping

import anyio

from image_sync.engines.builtin.holders import Holders
from image_sync.errors import RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry import RegistryClient, read_tree
from image_sync.runtime.parallel import for_each

_MOST = 200
"""Images of one cache that wait to be read, the latest ones: under a second's worth of requests to
a cache nearby."""
_AT_ONCE = 8
"""Images that are read at once."""


class Neighbours:
    """The images of every cache whose manifests were not read yet.

    Args:
        client: For the requests.
        holders: Told of what they list.
    """

    def __init__(self, client: RegistryClient, holders: Holders) -> None:
        self._client = client
        self._holders = holders
        self._unread: defaultdict[str, OrderedDict[Digest, Endpoint]] = defaultdict(OrderedDict)
        self._reading: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    def add(self, endpoint: Endpoint, digest: Digest) -> None:
        """Take note that a repository of a cache holds an image."""
        unread = self._unread[endpoint.host]
        unread[digest] = endpoint
        while len(unread) > _MOST:
            unread.popitem(last=False)

    async def read(self, host: str) -> None:
        """Read those of a cache that were not read yet; what it does not show is left out."""
        async with self._reading[host]:
            unread: Mapping[Digest, Endpoint] = self._unread.pop(host, {})
            await for_each(self._read, list(unread.items()), workers=_AT_ONCE)

    async def _read(self, image: tuple[Digest, Endpoint]) -> None:
        digest, endpoint = image
        try:
            tree = await read_tree(self._client, endpoint, digest)
        except RegistryError:
            return  # it is no help, and nothing else hangs on it
        self._holders.learn(endpoint.repository, (blob.digest for blob in tree.blobs))
