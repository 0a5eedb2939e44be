"""The log of this process, caught."""

import io
import logging
from collections.abc import Iterator

import pytest

from image_sync.observe import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines of JSON go; logging is as before afterwards."""
    root, raising = logging.getLogger(), logging.raiseExceptions
    handlers, level = root.handlers[:], root.level
    lines = io.StringIO()
    log.configure("info", as_json=True, stream=lines)
    yield lines
    logging.captureWarnings(capture=False)
    logging.basicConfig(handlers=handlers, level=level, force=True)
    logging.raiseExceptions = raising
    log.LOGGER.setLevel(logging.NOTSET)
