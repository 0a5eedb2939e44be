"""How refused text is shown to people.

ASCII only, so that a homoglyph or a zero-width character is seen for what it is, and no text can
move a terminal's cursor (fault row 75); bounded, because it may be of any length.
"""

_LIMIT = 150
"""Characters of a refused text that are worth showing: more than any tag or sha512 digest has."""


def quoted(text: str) -> str:
    """A text in quotes, whatever is not printable ASCII escaped, at most 150 characters of it."""
    return ascii(text) if len(text) <= _LIMIT else f"{text[:_LIMIT]!a}…"
