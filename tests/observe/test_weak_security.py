"""What the log says of registries that did not prove themselves."""

import io
import logging
from collections.abc import Iterator

import msgspec
import pytest

from image_sync.events import WeakSecurity
from image_sync.model import Security
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


@pytest.mark.parametrize(
    ("security", "credentials", "level", "message"),
    [
        pytest.param(
            Security.UNVERIFIED,
            False,
            "info",
            "zot.example shows a certificate that does not verify",
            id="unverified",
        ),
        pytest.param(
            Security.UNVERIFIED,
            True,
            "info",
            "zot.example shows a certificate that does not verify; credentials are sent to it "
            "nevertheless",
            id="unverified, with credentials",
        ),
        pytest.param(Security.CLEAR, False, "info", "zot.example speaks plain HTTP", id="in clear"),
        pytest.param(
            Security.CLEAR,
            True,
            "warning",
            "zot.example speaks plain HTTP; credentials travel in clear",
            id="in clear, with credentials",
        ),
    ],
)
def test_weak_security_is_said(
    stream: io.StringIO,
    security: Security,
    level: str,
    message: str,
    *,
    credentials: bool,
) -> None:
    """Louder when credentials travel in clear."""
    log.EventLog()(WeakSecurity("zot.example", security, credentials))
    line = msgspec.json.decode(stream.getvalue(), type=dict[str, str])
    assert (line["level"], line["msg"], line["registry"]) == (level, message, "zot.example")
