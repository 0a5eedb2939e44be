"""Foreign text made fit to show: secrets out, control characters escaped, on one line, bounded.

Both tools print upload URLs with `_state=`, which is a token, and echo what registries say.
"""

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

from image_sync.oci.quoting import printable

_GONE = "[redacted]"
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s\"'@]+(?=@)"), _GONE),  # user information
    (re.compile(r"\?(?=[^\s\"'<>]*=)[^\s\"'<>\\]*"), "?" + _GONE),  # a query, also of a bare path
    (re.compile(r"(?i)\b((?:proxy-)?authorization\\?\"?\s*[:=]).*"), rf"\1 {_GONE}"),
    (re.compile(r"(?i)\b(basic|bearer)\s+[\w.~+/=-]{6,}"), rf"\1 {_GONE}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), _GONE),  # RFC 7519: a JWT begins with {"
    (re.compile(r"\b_state=[^\s\"'<>&]*"), f"_state={_GONE}"),
)
_SHORTEST = 3
"""Characters of a secret that is looked for; a shorter one would blacken every word."""


def spellings(*parts: str) -> frozenset[str]:
    """The ways in which secrets show up in URLs, headers and messages.

    Args:
        parts: The secrets; of two that belong together, `user:secret` is one.
    """
    found = set()
    for part in filter(None, parts):
        raw = part.encode("utf-8", "surrogatepass")  # a JSON file may hold half a character
        encoded = base64.b64encode(raw).decode()
        found |= {part, quote(raw), quote(raw, safe=""), encoded, encoded.rstrip("=")}
    return frozenset(text for text in found if len(text) >= _SHORTEST)


def redacted_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets and without what looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _GONE)
    for pattern, substitute in _PATTERNS:
        text = pattern.sub(substitute, text)
    return text


def tail(text: str, limit: int) -> str:
    """The last lines of a text within `limit` characters, each escaped, joined by ` | `."""
    kept: list[str] = []
    for line in reversed(text.splitlines()):
        shown = printable(_middle_out(line.strip(), limit), limit)
        if not shown:
            continue
        limit -= len(shown) + 3
        if limit < 0 and kept:
            break
        kept.insert(0, shown)
        if limit <= 0:
            break
    return " | ".join(kept)


def _middle_out(line: str, limit: int) -> str:
    """A long line without its middle: what was tried stands in front, the cause at the end."""
    if len(line) <= limit:
        return line
    front = limit // 3
    return f"{line[:front]} … {line[front + 3 - limit :]}" if limit > 9 else line[-limit:]  # noqa: PLR2004
