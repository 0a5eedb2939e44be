"""How text from outside is shown to people: nothing in it moves a terminal's cursor (fault row 75).

What was refused is `quoted`, in ASCII, so that a homoglyph or a zero-width character is seen for
what it is. What others say is `printable`, in their own script. Both are bounded, because text
from outside may be of any length; `escaped` is for what must stay whole.

Not here: secrets (`config/wording.py`, `engines/redact.py`).
"""

_LIMIT = 150
"""Characters of a refused text that are worth showing: more than any tag or sha512 digest has."""
_EXCERPT = 200
"""Characters of foreign words that are worth showing (fault row 14)."""


def quoted(text: str) -> str:
    """A text in quotes, whatever is not printable ASCII escaped, at most 150 characters of it."""
    return ascii(text) if len(text) <= _LIMIT else f"{text[:_LIMIT]!a}…"


def printable(text: str, limit: int = _EXCERPT) -> str:
    """Foreign text on one line, control characters escaped, at most `limit` characters of it."""
    return escaped(text if len(text) <= limit else text[:limit] + "…")


def escaped(text: str) -> str:
    """A text on one line, with an escape for whatever cannot be seen; all of it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
