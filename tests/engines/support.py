"""Copies to ask for, accounts to find, and engines set up for a test."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import msgspec

from image_sync.credentials import Credential
from image_sync.engines import Access, CopyRequest, Crane, Engine, Skopeo
from image_sync.errors import Side
from image_sync.events import Event
from image_sync.model import Endpoint, HostPolicy, Security, TlsPolicy
from image_sync.oci import Digest, Manifest, Repository
from image_sync.runtime.process import Limits

DIGEST = Digest.of(b"an image")
BRISK = Limits(grace=0.2, sample=0.02, report=0.05, drain=0.2)
ENGINES: dict[str, Callable[..., Engine]] = {"crane": Crane, "skopeo": Skopeo}


class Accounts(msgspec.Struct, frozen=True):
    """Finds accounts by host."""

    by_host: Mapping[str, Credential] = {}

    async def find(self, host: str, path: str) -> Credential | None:
        return self.by_host.get(host)


class Setup(msgspec.Struct):
    """A machine: what is on PATH, who we are, what the operator said."""

    bin: Path
    folder: Path
    accounts: dict[str, Credential] = {}
    policies: dict[str, HostPolicy] = {}
    source_proxy: str | None = None
    environ: dict[str, str] = {}
    events: list[Event] = []

    @property
    def access(self) -> Access:
        return Access(
            environ={"PATH": str(self.bin), **self.environ},
            policies=self.policies,
            credentials=Accounts(self.accounts),
            source_proxy=self.source_proxy,
            folder=self.folder,
        )

    def engine(self, name: str, *, named: bool = True, limits: Limits = BRISK) -> Engine:
        return ENGINES[name](self.access, self.events.append, named=named, limits=limits)

    def left_behind(self) -> list[str]:
        """What a run did not clean up."""
        return sorted(os.listdir(self.folder))  # noqa: PTH208 - names alone


def make_setup(tmp_path: Path) -> Setup:
    for name in ("bin", "private"):
        (tmp_path / name).mkdir(exist_ok=True)
    return Setup(tmp_path / "bin", tmp_path / "private")


def request(
    source: str = "source.example",
    target: str = "cache.example:5000",
    *,
    path: str = "lab/app",
    digest: Digest = DIGEST,
    security: tuple[Security, Security] = (Security.VERIFIED, Security.VERIFIED),
    deadline: float = 60.0,
    repair: frozenset[Digest] = frozenset(),
    made: tuple[Manifest, ...] = (),
) -> CopyRequest:
    """A copy; how its sides must prove themselves is the check's business, not an engine's."""
    return CopyRequest(
        source=Endpoint(Side.SOURCE, Repository(source, path), TlsPolicy.LENIENT),
        target=Endpoint(Side.TARGET, Repository(target, path), TlsPolicy.LENIENT),
        digest=digest,
        source_security=security[0],
        target_security=security[1],
        deadline=deadline,
        repair=repair,
        made=made,
    )


class Watch(msgspec.Struct):
    """A turn of nobody else's: it notes the progress."""

    seen: list[int] = []

    def progress(self, moved: int, size: int | None = None) -> None:
        self.seen.append(moved)

    def resting(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()
