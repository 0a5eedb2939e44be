"""What the log says of registries that did not prove themselves."""

import io

import msgspec
import pytest

from image_sync.events import WeakSecurity
from image_sync.model import Security
from image_sync.observe import EventLog


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
    EventLog()(WeakSecurity("zot.example", security, credentials))
    line = msgspec.json.decode(stream.getvalue(), type=dict[str, str])
    assert (line["level"], line["msg"], line["registry"]) == (level, message, "zot.example")
