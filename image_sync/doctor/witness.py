"""What the parts warn of while they are looked at: findings, and not lines of the log."""

from image_sync.events import (
    CircuitOpened,
    CredentialsFound,
    Emit,
    Event,
    HostPaused,
    ImageFinished,
    PullQuota,
    Warned,
    WeakSecurity,
)
from image_sync.examination import Finding, Level


class Witness:
    """Keeps warnings, and passes on what is no finding.

    Args:
        emit: Gets everything else.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._warnings: dict[Warned, None] = {}

    def __call__(self, event: Event) -> None:
        """Something happened."""
        match event:
            case Warned():
                self._warnings[event] = None
            case CredentialsFound() | WeakSecurity() | PullQuota() | HostPaused() | CircuitOpened():
                pass  # the findings of their registry say it
            case ImageFinished():
                pass  # what a pass would do is told at the end
            case _:
                self._emit(event)

    def warned_of(self, subject: str) -> bool:
        """True if there was a warning about something."""
        return any(warning.subject == subject for warning in self._warnings)

    def findings(self) -> list[Finding]:
        """The warnings, each once; they say themselves what to do."""
        return [Finding(Level.WARN, warning.subject, warning.message) for warning in self._warnings]
