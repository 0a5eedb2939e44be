"""Names of the tags that keep earlier images: `TAG.previous-1` is what TAG named last.

Not here: moving them (`sync/previous.py`), and which names an operator may use (`config/`).
"""

MOST = 100
"""Earlier images that can be kept: the bound of `settings.keep_previous`."""
MAX_TAG = 128
"""Characters of a tag: OCI distribution spec 1.1, section Pulling Manifests."""
_MARK = ".previous-"
_NUMBERS = frozenset(str(number) for number in range(1, MOST + 1))


def previous_tag(tag: str, number: int) -> str:
    """The tag that keeps an earlier image of a tag; the number counts from 1, the latest."""
    return f"{tag}{_MARK}{number}"


def kept_for(tag: str) -> str | None:
    """The tag whose earlier image another one keeps by its name; None if it has no such name."""
    whole, mark, number = tag.rpartition(_MARK)
    return whole if whole and mark and number in _NUMBERS else None
