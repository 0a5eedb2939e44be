"""The registry on a real socket, and short ways to ask it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from image_sync.embedded.app import Access, application
from image_sync.embedded.store import Store, opened
from image_sync.embedded.uploads import Uploads
from image_sync.events import Event, Warned
from image_sync.oci import Digest
from image_sync.oci.mediatypes import OCI_MANIFEST
from image_sync.runtime.serve import REGISTRY, Address, serving
from tests.embedded.content import CONFIG, image
from tests.server.asking import Answer, exchange, request

ANY = Address("127.0.0.1", 0)


class Served(NamedTuple):
    """A registry that is served.

    Attributes:
        address: Where.
        store: What is in it.
        events: What it tells.
    """

    address: Address
    store: Store
    events: list[Event]

    async def ask(self, method: str, path: str, *fields: str, body: bytes | None = None) -> Answer:
        """The answer to one request."""
        length = () if body is None else (f"Content-Length: {len(body)}",)
        sent = request(path, method, *fields, *length) + (body or b"")
        return await exchange(self.address, sent)

    async def get(self, path: str, *fields: str) -> Answer:
        """The answer to a GET."""
        return await self.ask("GET", path, *fields)

    async def push_blob(self, content: bytes, name: str = "a") -> Digest:
        """Have it take a blob in one request."""
        digest = Digest.of(content)
        path = f"/v2/{name}/blobs/uploads/?digest={digest}"
        answer = await self.ask("POST", path, body=content)
        assert answer.status == 201, answer.data
        return digest

    async def put(
        self, manifest: bytes, tag: str | Digest, *fields: str, name: str = "a", query: str = ""
    ) -> Answer:
        """Push a manifest."""
        kind = msgspec.json.decode(manifest).get("mediaType", OCI_MANIFEST)
        path = f"/v2/{name}/manifests/{tag}{query}"
        return await self.ask("PUT", path, f"Content-Type: {kind}", *fields, body=manifest)

    async def push(self, *tags: str, name: str = "a") -> Digest:
        """Have it take the smallest image."""
        await self.push_blob(CONFIG, name)
        for tag in tags:
            assert (await self.put(image(), tag, name=name)).status == 201
        return Digest.of(image())

    async def begin(self, name: str = "a") -> str:
        """Begin an upload; tells where it goes on."""
        answer = await self.ask("POST", f"/v2/{name}/blobs/uploads/", body=b"")
        assert answer.status == 202
        return answer.fields["location"]

    @property
    def warnings(self) -> list[str]:
        """What it warned of."""
        return [event.message for event in self.events if isinstance(event, Warned)]


@asynccontextmanager
async def served(
    root: Path, access: Access | None = None, uploads: Uploads | None = None
) -> AsyncIterator[Served]:
    """A registry for the time of a block."""
    with opened(root) as store:
        using, events = uploads or Uploads(), list[Event]()
        try:
            app = application(store, using, events.append, access)
            async with serving(app, ANY, REGISTRY) as address:
                yield Served(address, store, events)
        finally:
            using.close()


def open_files() -> list[Path]:
    """What this process has open."""
    return [each.resolve() for each in Path("/proc/self/fd").iterdir()]


def codes(answer: Answer) -> list[str]:
    """The specification's codes in an answer."""
    assert answer.fields["content-type"] == "application/json"
    return [error["code"] for error in msgspec.json.decode(answer.body)["errors"]]
