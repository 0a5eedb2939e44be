"""What goes wrong with the API again and again, told so that nobody is flooded."""

from collections.abc import Callable

from image_sync.errors import ApiError
from image_sync.events import Emit, Warned

_AGAIN = 600.0  # seconds until the same words are worth another line


class Trouble:
    """Warns of the Lease: the first time, when the words change, and every 10 minutes."""

    def __init__(self, emit: Emit, clock: Callable[[], float]) -> None:
        self._emit = emit
        self._clock = clock
        self._told: dict[str, float] = {}  # when, for what is not worth another line yet

    def failed(self, error: ApiError) -> None:
        """The API did not do what was asked."""
        self.tell(f"the Kubernetes API: {error}: {error.hint}")

    def tell(self, message: str) -> None:
        """One line, with what to do."""
        now = self._clock()
        self._told = {words: at for words, at in self._told.items() if now - at < _AGAIN}
        if message not in self._told:
            self._told[message] = now
            self._emit(Warned("lease", message))
