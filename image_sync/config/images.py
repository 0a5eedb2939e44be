"""Images as people write them in one line: `docker.io/library/nginx:1.27@sha256:...`.

Not here: whether source and tag are valid (`config/resolve.py`), which is asked in one place for
both forms.
"""

from typing import NamedTuple

from image_sync.config.tree import Entry, Mapping, Node, Scalar
from image_sync.config.wording import has_user_info


class Split(NamedTuple):
    """A reference cut in two; `tag` is empty where there is neither tag nor digest."""

    source: str
    tag: str


def split(reference: str) -> Split:
    """The parts of a reference that `images[].source` and `images[].tag` would hold.

    What carries a password is left whole, so that no part of it can be shown.
    """
    if has_user_info(reference):
        return Split(reference, "")
    name, at, digest = reference.partition("@")
    start = name.rfind("/") + 1  # a colon before the last slash is a port
    last, colon, tag = name[start:].partition(":")
    pin = f"@{digest}" if colon and at else digest
    return Split(name[:start] + last, tag + pin)


def short_form(node: Scalar) -> Node:
    """The mapping that a one-line image stands for; what is nothing stays as it is."""
    if node.is_null:
        return node
    source, tag = split(node.text)
    texts = {"source": source, "tag": tag} if tag else {"source": source}
    entries = {
        key: Entry(node.where, Scalar(node.where, text, plain=False)) for key, text in texts.items()
    }
    return Mapping(node.where, entries)
