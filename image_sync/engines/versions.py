"""Which versions of the tools may be used: a table.

Sources: go-containerregistry issues 2193 to 2440 (credential leaks and SSRF through realms,
redirects and upload locations, closed step by step up to 0.21.9), 2309, 2341 and 2345 (dead locks
in 0.21.6 and 0.21.7); skopeo 1.9.3 measured: sends passwords to any realm; "not found" has its own
exit code from 1.16 on.
"""

import re
from typing import NamedTuple

_VERSION = re.compile(r"(?<![\w.])v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})")

Version = tuple[int, int, int]


class Rule(NamedTuple):
    """What is known of one tool.

    Attributes:
        safe: The first version without known leaks.
        broken: Versions that must not be used whoever names them, and why.
    """

    safe: Version
    broken: dict[Version, str]


_DEADLOCK = "it hangs on larger images"
CRANE = Rule((0, 21, 9), {(0, 21, 6): _DEADLOCK, (0, 21, 7): _DEADLOCK})
SKOPEO = Rule((1, 16, 0), {})


def parse_version(output: str) -> Version | None:
    """The version in what a tool prints of itself; None if it names none (a home-made build)."""
    found = _VERSION.search(output)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def spell(version: Version | None) -> str:
    """As people write it."""
    return ".".join(map(str, version)) if version else "of an unknown version"
