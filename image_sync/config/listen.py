"""An address to listen on, as an operator writes it.

Names are not resolved: which addresses of a machine are meant should not depend on its DNS.
"""

import ipaddress
import re

from image_sync.config.wording import quoted

NOWHERE = "none"
EVERYWHERE = ""
"""The host that stands for every address of the machine, of either family."""
_EXPECTED = "expected HOST:PORT, :PORT for every address, or none"
_WRITTEN = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65_535
_LOCALHOST = "127.0.0.1"


def parse_listen(text: str) -> tuple[str, int] | None:
    """Address and port to listen on, None for `none`.

    The address is an IP address without brackets, or empty for every address. Port 0 leaves the
    choice to the system.

    Raises:
        ValueError: It is none of that; the text says what is expected.
    """
    if text == NOWHERE:
        return None
    written = _WRITTEN.fullmatch(text)
    if written is None:
        meant = f": did you mean :{text}?" if _PORT.fullmatch(text) else f": {_EXPECTED}"
        raise ValueError(f"{quoted(text)} is no address to listen on{meant}")
    port = int(written["port"])
    if port > _LAST_PORT:
        raise ValueError(f"{quoted(text)} has a port above {_LAST_PORT}: {_EXPECTED}")
    if written["v6"]:
        return _address(written["v6"], 6, text), port
    if written["host"] in ("", "localhost"):
        return (_LOCALHOST if written["host"] else EVERYWHERE), port
    return _address(written["host"], 4, text), port


def _address(host: str, version: int, text: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or address.version != version:
        raise ValueError(f"{quoted(text)} has no IP address or localhost before its port")
    return str(address)
