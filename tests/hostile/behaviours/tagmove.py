"""A tag that moves while it is being looked at (rows 55 and 56)."""

from tests.hostile.fault import Exchange
from tests.hostile.response import Response
from tests.hostile.store import Store


class TagMoves:
    """After this answer the tag points to `digest`, or is gone if that is None.

    On HEAD at the source: row 55. On HEAD at the cache: another writer, row 56.
    """

    def __init__(self, store: Store, repository: str, tag: str, digest: str | None) -> None:
        self._store, self._repository = store, repository
        self._tag, self._digest = tag, digest

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer, from before the move."""
        answer = await exchange.proceed()
        if self._digest is None:
            self._store.repository(self._repository).tags.pop(self._tag, None)
        else:
            self._store.tag(self._repository, self._tag, self._digest)
        return answer
