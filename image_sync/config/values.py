"""The kinds of values that the configuration has, with their bounds.

Not here: which key takes which (`config/schema.py`, `config/settings.py`).
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

_MAX_INT = 2**31 - 1
"""Bound of whole numbers: what fits every timer and semaphore below; 68 years in seconds."""
_MAX_RATE = 100_000.0
"""Requests per second; ten times what one process can send (measured: aiohttp, 9,940)."""


class Tool(StrEnum):
    """The engines that an operator can prefer."""

    CRANE = "crane"
    SKOPEO = "skopeo"
    BUILTIN = "builtin"


class PathStyle(StrEnum):
    """How the repository in the cache follows from the source."""

    STRIP = "strip"
    PREFIXED = "prefixed"


LEDGER_IN_REGISTRY = "registry"
LEDGER_NOWHERE = "none"
EMBEDDED = "embedded"
"""The value of `cache_registry` that asks for a registry of our own."""

Count = Annotated[int, Meta(ge=1, le=_MAX_INT)]
Amount = Annotated[int, Meta(ge=0, le=_MAX_INT)]
Seconds = Annotated[int, Meta(ge=1, le=_MAX_INT)]
Bytes = Annotated[int, Meta(ge=1, le=2**40)]
"""Bytes per second; a terabyte is far beyond any network."""
Rate = Annotated[float, Meta(gt=0, le=_MAX_RATE)]
Text = Annotated[str, Meta(min_length=1)]
Platforms = Text | tuple[Text, ...]
