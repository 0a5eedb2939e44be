"""Looking for garbage cycles now and then, in a process that runs for long.

Python looks whenever so many containers were made, and is told to do that rarely (`cli/main.py`):
in one pass almost nothing is garbage. Over days, exceptions with their frames, and all that an
earlier configuration was made of, would be kept until it looks.
"""

import gc

import anyio

_EVERY = 60.0
"""Seconds between two looks. One takes 80 ms, 100 with 10,000 images, in which nothing else happens
(measured)."""


async def collect_garbage() -> None:
    """Look for garbage now and then, for ever."""
    while True:
        await anyio.sleep(_EVERY)
        gc.collect()
