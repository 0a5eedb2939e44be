"""What an exception is that nobody foresaw, and where it came from."""

import traceback
from pathlib import Path


def unwrapped(error: Exception) -> Exception:
    """The failure that a task group wrapped up: the first one, and the error itself if none did."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def place_of(error: Exception) -> str:
    """`FILE:LINE` of the code that raised an error; empty if it was never raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
