"""Images that a cache is known to hold: where to look for a blob before it is fetched anew.

Their manifests are read only when a blob is missing that may lie in one of them, each once.
"""

from collections import OrderedDict, defaultdict
from http import HTTPStatus

import anyio

from image_sync.engines.builtin.holders import Holders
from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry import RegistryClient, read_tree
from image_sync.runtime.parallel import for_each

_MOST = 200
"""Images of one cache that wait to be read, the latest ones: under a second's worth of requests to
a cache nearby."""
_AT_ONCE = 8
"""Images that are read at once."""
_REMEMBERED = 2_000
"""Images that are not read again, of about 300 bytes each: those whose blobs `Holders` remembers.
What was read before them is forgotten there, too, and worth reading again."""

_SILENT = frozenset(
    {ErrorKind.RATE_LIMITED, ErrorKind.UNAVAILABLE, ErrorKind.NETWORK, ErrorKind.TIMEOUT}
)


class Neighbours:
    """The images of every cache whose manifests were not read yet.

    Args:
        client: For the requests.
        holders: Told of what they list.
        remembered: How many are not read again, the latest.
    """

    def __init__(
        self, client: RegistryClient, holders: Holders, remembered: int = _REMEMBERED
    ) -> None:
        self._client = client
        self._holders = holders
        self._remembered = remembered
        self._unread: defaultdict[str, OrderedDict[Digest, Endpoint]] = defaultdict(OrderedDict)
        self._known: OrderedDict[tuple[str, Digest], None] = OrderedDict()  # in order of reading
        self._reading: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    def add(self, endpoint: Endpoint, digest: Digest) -> None:
        """Take note that a repository of a cache holds an image."""
        if (endpoint.host, digest) in self._known:
            return
        unread = self._unread[endpoint.host]
        unread[digest] = endpoint
        while len(unread) > _MOST:
            unread.popitem(last=False)

    async def read(self, host: str) -> None:
        """Read those of a cache that were not read yet; what it does not show is left out.

        Those that it says nothing of at present are read another time.
        """
        async with self._reading[host]:
            unread = list(self._unread[host].items())
            try:
                await for_each(self._read, unread, workers=_AT_ONCE)
            except RegistryError:
                return  # it is no help now, and nothing else hangs on it

    async def _read(self, image: tuple[Digest, Endpoint]) -> None:
        digest, endpoint = image
        try:
            tree = await read_tree(self._client, endpoint, digest)
        except RegistryError as error:
            if _is_silence(error):
                raise
        else:
            self._holders.learn(endpoint.repository, (blob.digest for blob in tree.blobs))
        self._unread[endpoint.host].pop(digest, None)
        self._known[endpoint.host, digest] = None
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)


def _is_silence(error: RegistryError) -> bool:
    """True if a registry said nothing of an image; by a 500 it says that it cannot read it."""
    return error.kind in _SILENT and error.status != HTTPStatus.INTERNAL_SERVER_ERROR
