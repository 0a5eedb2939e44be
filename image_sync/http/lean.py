"""httpx and aiohttp, imported without what nobody here uses of them.

`import httpx` also imports `httpx._main`, its command line, wherever click, rich and pygments are
installed, as they are here: a quarter of the CPU time of a pass over nothing (measured: 0.28 s with
it, 0.16 s without). An entry of None makes that import fail, which httpx expects and handles.

`import aiohttp` reads the system's root certificates twice, for requests that bring no TLS context
of their own (measured: 0.1 s). All of ours do; one that did not would find nobody trusted.
"""

import ssl
import sys


def _read_nothing(_: ssl.SSLContext) -> None:
    """Stands for `set_default_verify_paths`."""


if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # importlib's word for "none"

if "aiohttp" not in sys.modules:
    ssl.SSLContext.set_default_verify_paths = _read_nothing  # type: ignore[assignment, method-assign]
    try:
        import aiohttp  # noqa: F401
    finally:
        del ssl.SSLContext.set_default_verify_paths  # the one that it inherits is back
