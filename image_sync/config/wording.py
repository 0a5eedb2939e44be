"""How text from outside is shown to people: escaped, bounded, and without secrets.

Every message of `config/` that echoes something goes through here.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from image_sync.oci import quoting

_USER_INFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?.*@(?!sha[0-9]+:)", re.DOTALL)


def masked(text: str) -> str:
    """The text without user information, as in `http://***@proxy:3128`.

    Everything up to the last `@` counts as user information, unless a digest follows: a password
    may hold slashes and colons.
    """
    if "@" not in text:
        return text
    return _USER_INFO.sub(lambda match: f"{match['scheme'] or ''}***@", text, count=1)


def has_user_info(text: str) -> bool:
    """True if the text carries what may be a user name and a password."""
    return masked(text) != text


def quoted(value: str) -> str:
    """A value in quotes: masked, bounded, and in ASCII, so that look-alikes show."""
    return quoting.quoted(masked(value))


def printable(name: str) -> str:
    """A file name as people know it, with what no terminal should get escaped."""
    return quoting.escaped(name)


def label(name: str) -> str:
    """A name from a file as part of a path, as in `registries.quay.io`."""
    return printable(masked(name))


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """A suggestion in parentheses with a leading space, or nothing."""
    close = closest(word, known)
    return f" (did you mean {prefix}{close}?)" if close else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The word that was meant; None if none is like it."""
    return next(iter(get_close_matches(word, known, n=1)), None)
