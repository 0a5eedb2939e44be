"""Which repositories of a cache hold which blobs, as far as this process knows.

Facts, each as old as its observation: one in the very repository of an image saves a request for
some minutes, one in another repository says where to mount from. The cache itself decides: a fact
that does not hold any more costs a request.
"""

from collections import OrderedDict
from collections.abc import Iterable

import anyio

from image_sync.oci import Digest, Repository

_FRESH = 600.0
"""Seconds in which a blob that was seen in a repository is not asked for there again. Registries
that collect garbage leave what is younger than an hour alone (Zot's gcDelay)."""
_MOST = 20_000
"""Blobs that are remembered, of about 500 bytes each: those of 2,000 images."""
_MOST_REPOSITORIES = 8
"""Of one blob; one would do, if it did not come to lose it."""

_Key = tuple[str, bytes]


class Holders:
    """What is known of the blobs of every cache."""

    def __init__(self) -> None:
        self._facts: OrderedDict[_Key, dict[Repository, float]] = OrderedDict()

    def learn(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Take note that a repository should hold some blobs, as a manifest in it says."""
        for digest in digests:
            self._note(repository, digest, float("-inf"))

    def saw(self, repository: Repository, digest: Digest) -> None:
        """Take note that a repository holds a blob: its registry said so just now."""
        self._note(repository, digest, anyio.current_time())

    def forget(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Believe of no repository any more that it holds some blobs, if one turned out not to."""
        for digest in digests:
            facts = self._facts.get(_key(repository.host, digest), {})
            facts.pop(repository, None)

    def knows(self, repository: Repository, digest: Digest) -> bool:
        """True if a repository was seen to hold a blob lately."""
        facts = self._facts.get(_key(repository.host, digest), {})
        return anyio.current_time() - facts.get(repository, float("-inf")) < _FRESH

    def elsewhere(self, repository: Repository, digest: Digest) -> Repository | None:
        """Another repository of the same registry that holds a blob, the surest one."""
        facts = self._facts.get(_key(repository.host, digest), {})
        others = (other for other in facts if other != repository)
        return max(others, key=lambda other: facts[other], default=None)

    def _note(self, repository: Repository, digest: Digest, at: float) -> None:
        key = _key(repository.host, digest)
        facts = self._facts.setdefault(key, {})
        self._facts.move_to_end(key)
        facts[repository] = max(at, facts.get(repository, at))
        if len(facts) > _MOST_REPOSITORIES:
            del facts[min(facts, key=lambda other: facts[other])]
        while len(self._facts) > _MOST:
            self._facts.popitem(last=False)


def _key(host: str, digest: Digest) -> _Key:
    return host, bytes.fromhex(digest.hex)
