"""Where the demo plays: two registries on this machine, and passes from one into the other.

Everything is in one folder, the configuration too: what works with it here works with it in every
other process.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from image_sync import config
from image_sync.compose import Orders, Parts, assembled
from image_sync.config import Resolved
from image_sync.demo.images import Content, Image
from image_sync.demo.wire import Wire
from image_sync.embedded import serving_registry
from image_sync.errors import Side
from image_sync.events import Emit
from image_sync.model import Endpoint, ImageSpec, SyncResult, TlsPolicy, Verified
from image_sync.oci import Digest, Repository
from image_sync.registry import push_blob
from image_sync.runtime.serve import Address
from image_sync.sync import DamagedParts, Examines, Inspection, KnownDamage

TAG = "1.0"
_ANYWHERE = Address("127.0.0.1", 0)
_CONFIGURATION = """\
cache_registry: {cache}
registries:
  "{source}": {{plain_http: true}}
  "{cache}": {{plain_http: true}}
settings:
  preferred_tool: builtin       # no other program is needed
  default_platform: all
images:
"""
_ENTRY = '  - {{source: "{source}/{name}", tag: "{tag}", cache_as: "{name}"}}\n'


class Stage:
    """Both registries, while they are served.

    Args:
        folder: Where everything is.
        hosts: Where the source and the cache listen.
        wires: Those of the source and of the cache.
        names: The repositories of the images.
        emit: Takes the events of passes.

    Attributes:
        source: The wire to the source.
        cache: The wire to the cache.
        cache_host: Where the cache listens.
        file: The configuration.
    """

    def __init__(
        self,
        folder: Path,
        hosts: tuple[str, str],
        wires: tuple[Wire, Wire],
        names: Sequence[str],
        emit: Emit,
    ) -> None:
        self._source_host, self.cache_host = hosts
        self.source, self.cache = wires
        self.file = folder / "image-sync.yaml"
        self._images = folder / "cache"
        self._emit = emit
        self._resolved = _configured(self.file, hosts, names)
        self._orders = Orders(specs=self._resolved.specs)

    async def publish(self, name: str, image: Image) -> None:
        """Push an image to the source; its tag moves."""
        repository = Repository(self._source_host, name)
        endpoint = Endpoint(Side.TARGET, repository, TlsPolicy.PLAIN)
        async with self._assembled() as parts:
            for blob in image.blobs:
                await push_blob(parts.client, endpoint, blob.content)
            for each, reference in (
                *((child, repository.digest(child.digest)) for child in image.children),
                (image.index, repository.tag(TAG)),
            ):
                await parts.client.put_manifest(endpoint, reference, each.content, each.media_type)

    async def make_pass(self) -> list[SyncResult]:
        """One pass over all images, as `image-sync --once` makes it."""
        async with self._assembled() as parts:
            return await _pass(parts, self._resolved, self._orders, self._emit)

    async def verify(self) -> list[Verified]:
        """Have every image in the cache read and healed, as `image-sync verify --deep --heal`."""
        async with self._assembled() as parts:
            healing = _Healing(parts, self._resolved, self._orders, self._emit)
            specs = self._resolved.specs
            return await Inspection(
                specs, parts.client, self._emit, healer=healing, deep=True
            ).run()

    def damage(self, name: str, blob: Content) -> None:
        """Have the disk of the cache change one bit of a blob.

        Raises:
            OSError: It could not be.
        """
        with self._file_of(name, blob.digest).open("r+b") as file:
            file.seek(len(blob.content) // 2)
            (byte,) = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))

    def is_whole(self, name: str, blob: Content) -> bool:
        """Whether the cache's disk has the bytes of a blob."""
        return self._file_of(name, blob.digest).read_bytes() == blob.content

    def _assembled(self) -> AbstractAsyncContextManager[Parts]:
        # Of this machine's environment nothing counts: no tools, no credentials.
        return assembled(self._resolved, self._orders, self._emit, {})

    def _file_of(self, name: str, digest: Digest) -> Path:
        """Where the registry keeps a blob: OCI image spec 1.1, image-layout.md."""
        return self._images / name / "blobs" / digest.algorithm / digest.hex


class _Healing:
    """A pass over damaged images."""

    def __init__(self, parts: Parts, resolved: Resolved, orders: Orders, emit: Emit) -> None:
        self._parts = parts
        self._resolved = resolved
        self._orders = orders
        self._emit = emit

    async def heal(self, specs: Sequence[ImageSpec], damage: DamagedParts) -> list[SyncResult]:
        """What came of every damaged image."""
        orders = msgspec.structs.replace(self._orders, specs=specs)
        known = KnownDamage(damage)
        return await _pass(self._parts, self._resolved, orders, self._emit, known)

    def stop(self) -> None:
        """Nothing to do: who ends the demo cancels it."""


async def _pass(
    parts: Parts, resolved: Resolved, orders: Orders, emit: Emit, examines: Examines | None = None
) -> list[SyncResult]:
    """The results of one pass, after which it is remembered what it learnt."""
    await parts.ledger.load()
    results = await parts.a_pass(resolved, orders, emit, examines).run()
    await parts.ledger.save()
    return results


@asynccontextmanager
async def staged(folder: Path, names: Sequence[str], emit: Emit) -> AsyncIterator[Stage]:
    """Both registries, empty, served for the time of a block.

    Args:
        folder: Where everything is.
        names: The repositories of the images.
        emit: Takes the events of registries and passes.

    Raises:
        ListenError: No address can be had.
        StoreError: The folder cannot be used.
    """
    source, cache = Wire(), Wire()
    async with (
        serving_registry(folder / "source", _ANYWHERE, emit, around=source.around) as one,
        serving_registry(folder / "cache", _ANYWHERE, emit, around=cache.around) as other,
    ):
        yield Stage(folder, (str(one), str(other)), (source, cache), names, emit)


def _configured(file: Path, hosts: tuple[str, str], names: Sequence[str]) -> Resolved:
    source, cache = hosts
    text = _CONFIGURATION.format(source=source, cache=cache)
    entries = (_ENTRY.format(source=source, name=name, tag=TAG) for name in names)
    file.write_text(text + "".join(entries), encoding="utf-8")
    return config.resolve(config.load(str(file), environ={}))
