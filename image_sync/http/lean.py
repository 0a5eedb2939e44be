"""httpx without its command line, which nobody calls here.

`import httpx` also imports `httpx._main` wherever click, rich and pygments are installed, as they
are here: a quarter of the CPU time of a pass over nothing (measured: 0.28 s with it, 0.16 s
without). An entry of None makes that import fail, which httpx expects and handles.
"""

import sys

if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # importlib's word for "none"
