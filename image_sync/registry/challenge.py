"""`WWW-Authenticate` as values: RFC 9110, sections 11.2 and 11.6.1.

Pure. What to answer, and to whom, is decided in `auth.py`.
"""

import re
from collections.abc import Mapping

import msgspec

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"\s*({_WORD})(?:[ \t]+|$|(?=,))")
_PARAMETER = re.compile(rf'\s*({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_WORD}|[^\s,"]+))')
_SEPARATOR = re.compile(r"[\s,]*")
_MAX_HEADER = 8_192
"""Characters that are looked at: twice the longest header that common servers send."""


class Challenge(msgspec.Struct, frozen=True):
    """One way in that a registry offers."""

    scheme: str  # lower case: basic, bearer
    parameters: Mapping[str, str]  # names in lower case


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges in a header, in its order; what cannot be read is left out."""
    text, position = header[:_MAX_HEADER], 0
    challenges: list[Challenge] = []
    while found := _SCHEME.match(text, position):
        scheme, position = found[1].lower(), found.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(text, position):
            quoted = re.sub(r"\\(.)", r"\1", parameter[2]) if parameter[2] is not None else None
            value = quoted if quoted is not None else parameter[3]
            parameters.setdefault(parameter[1].lower(), value)
            position = _end(_SEPARATOR, text, parameter.end())
        challenges.append(Challenge(scheme, parameters))
        position = _end(_SEPARATOR, text, position)
    return tuple(challenges)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
