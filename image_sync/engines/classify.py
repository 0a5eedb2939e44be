"""What went wrong, read from a tool's exit code and last words.

Exit codes are no API and text is a hint, so the tables below are data: the first row that matches
decides. A tool prints an HTTP status only where the body named no code, so what follows a status is
foreign prose and the status comes first. No row names a host, and words with a slash (references,
URLs, media types) are taken out first, so that a repository called `denied` decides nothing.

Measured with crane 0.14 to 0.22.1 and skopeo 1.9.3, 1.18 and 1.22.
"""

import re
from typing import NamedTuple

from image_sync.errors import ErrorKind, Side
from image_sync.oci.reference import DOCKER_HUB

_LAST_WORDS = 4096
"""Characters at the end of the output that are read."""
_PATHS = re.compile(r"\S*/\S*")
_IO_TIMEOUT = re.compile(r"\bi/o timeout")
_FINAL = re.compile(r"^(?:Error: |time=.* level=fatal |panic: |fatal error: )", re.MULTILINE)
_LOG_LINE = re.compile(r'time=\S+ level=fatal msg="((?:[^"\\]|\\.)*)"')
_STATUS = re.compile(
    r"(?i)\b(?:http status|http code|status ?code|status code from registry|status)[: =]+(\d{3})\b"
)


class Failure(NamedTuple):
    """What a tool's end means.

    Attributes:
        kind: What went wrong.
        side: At which registry, where the text tells.
        words: The text that decided; not escaped yet.
    """

    kind: ErrorKind
    side: Side | None
    words: str


_CRASHES = re.compile(r"^(?:panic: |fatal error: |runtime: out of memory)", re.MULTILINE)

Rules = tuple[tuple[str, ErrorKind], ...]

TOOL_RULES: Rules = (
    # The tool cannot do it, whoever asks.
    (r"unsupported MediaType|unknown media type during manifest conversion", ErrorKind.UNSUPPORTED),
    (r"[Uu]nexpectedly received a manifest list|must be converted", ErrorKind.UNSUPPORTED),
    (r"would change the manifest|[Uu]nsupported (?:docker )?v2s?\d? ", ErrorKind.UNSUPPORTED),
    (r"Location header redirects", ErrorKind.UNSUPPORTED),
    (r"unknown (?:shorthand )?flag|flag provided but not defined", ErrorKind.UNSUPPORTED),
    (r"SSRF protection|is a private or link-local address|refusing token-server", ErrorKind.UNSAFE),
    # The platform.
    (
        r"no child with platform|no image found in (?:image index|manifest list)",
        ErrorKind.NO_PLATFORM,
    ),
    (r"no space left on device|disk quota exceeded", ErrorKind.TARGET_FULL),
)
STATUS_RULES: Rules = (
    (r"429", ErrorKind.RATE_LIMITED),
    (r"401", ErrorKind.UNAUTHORIZED),
    (r"403", ErrorKind.DENIED),
    (r"404", ErrorKind.NOT_FOUND),
    (r"413|415", ErrorKind.BLOB_REFUSED),
    (r"507", ErrorKind.TARGET_FULL),
    (r"408|499|5\d\d", ErrorKind.UNAVAILABLE),
    (r"400", ErrorKind.CONFIG),
)
CODE_RULES: Rules = (
    # The peer's identity; before the network, because a failed ping lists every try.
    (r"x509: |certificate|server gave HTTP response to HTTPS client", ErrorKind.TLS),
    (r"tls: |remote error: tls|first record does not look like a TLS handshake", ErrorKind.TLS),
    # Content.
    (r"error verifying|[Dd]igest did not match|DIGEST_INVALID|SIZE_INVALID", ErrorKind.BAD_CONTENT),
    (r"does not match (?:the )?digest|invalid digest|[Dd]igest mismatch", ErrorKind.BAD_CONTENT),
    # The registries' own codes: OCI distribution spec 1.1, Error Codes; in skopeo's spelling, too.
    (r"TOOMANYREQUESTS|toomanyrequests|(?i:too many requests)", ErrorKind.RATE_LIMITED),
    (r"\bUNAUTHORIZED\b|\bunauthorized\b|authentication required", ErrorKind.UNAUTHORIZED),
    (r"invalid username|incorrect username|no basic auth credentials", ErrorKind.UNAUTHORIZED),
    (r"\bDENIED\b|\bdenied\b", ErrorKind.DENIED),
    (r"MANIFEST_BLOB_UNKNOWN|manifest blob unknown", ErrorKind.BLOB_MISSING),
    (r"MANIFEST_INVALID|manifest invalid|MANIFEST_UNVERIFIED", ErrorKind.REFUSED_BY_TARGET),
    (r"BLOB_UPLOAD_|blob upload (?:unknown|invalid)", ErrorKind.UNAVAILABLE),
    (r"BLOB_UNKNOWN|blob unknown", ErrorKind.BLOB_MISSING),
    (r"MANIFEST_UNKNOWN|NAME_UNKNOWN|manifest unknown", ErrorKind.NOT_FOUND),
    (r"(?:repository )?name (?:not known|unknown)", ErrorKind.NOT_FOUND),
    (r"NAME_INVALID|TAG_INVALID|invalid repository name", ErrorKind.CONFIG),
    (r"\bUNAVAILABLE\b|INTERNAL_SERVER_ERROR", ErrorKind.UNAVAILABLE),
)
WIRE_RULES: Rules = (
    (r"i_o timeout|deadline exceeded|[Tt]imeout|timed out", ErrorKind.TIMEOUT),
    (r"[Uu]nexpected EOF|[Uu]nexpected end of JSON|stream error|GOAWAY", ErrorKind.TRUNCATED),
    (r"no such host|server misbehaving|connection refused|connection reset", ErrorKind.NETWORK),
    (r"no route to host|unreachable|broken pipe|\bEOF\b|proxyconnect", ErrorKind.NETWORK),
    (r"\bUNKNOWN: ", ErrorKind.UNAVAILABLE),
    # What the operator wrote; ours is checked before it gets here.
    (
        r"could not parse reference|[Ii]nvalid reference format|[Ii]nvalid image name",
        ErrorKind.CONFIG,
    ),
    (r"parsing config file|error getting credentials|reading JSON file", ErrorKind.CONFIG),
)
_SIDES: tuple[tuple[re.Pattern[str], Side], ...] = (
    # crane: the verb tells. What it GETs is the source's, but for the ping of either.
    (re.compile(r"\b(?:PUT|POST|PATCH) https?://|\b(?:Put|Post) \"?https?://"), Side.TARGET),
    # skopeo: its own phases.
    (
        re.compile(r"uploading manifest|initiating layer upload|writing (?:blob|manifest)"),
        Side.TARGET,
    ),
    (re.compile(r"trying to reuse blob|checking whether a blob|mount|destination"), Side.TARGET),
    (
        re.compile(r"initializing source|reading (?:manifest|blob|config)|fetching blob"),
        Side.SOURCE,
    ),
)
_OF_THE_TARGET = frozenset(
    {ErrorKind.BLOB_REFUSED, ErrorKind.REFUSED_BY_TARGET, ErrorKind.TARGET_FULL}
)
_UNDECIDED = frozenset({ErrorKind.TRUNCATED, ErrorKind.BAD_CONTENT, ErrorKind.TIMEOUT})
"""Kinds in the middle of a stream: the text names the target though the source may have broken."""

_OF_A_BLOB = re.compile(r"\bGET \S+/blobs/|\b(?:fetching|reading) blob\b")
_OF_A_MANIFEST = re.compile(r"\bPUT \S+/manifests/[^/\s]+:\s|\b(?:uploading|writing) manifest\b")

_NOT_FOUND_CODE = 2
"""skopeo 1.16 and later: not found, at the source or the target."""
_NOT_RUN = frozenset({126, 127})
"""POSIX shell and setpriv: the program could not be executed."""
_SIGNALLED = 128
"""A shell's exit code for a child that a signal ended is this plus the number."""


def classify(
    text: str, code: int | None, *, source: str = "", target: str = "", rc2_is_missing: bool = False
) -> Failure:
    """What a tool's failure means; never raises.

    Args:
        text: What it printed on stderr.
        code: Its exit code, negative for a signal.
        source: The source's host as it stood in the operand.
        target: The target's.
        rc2_is_missing: Whether exit code 2 means "not found" (skopeo).
    """
    words = _last_words(text)
    if code is None or code < 0 or code >= _SIGNALLED or code in _NOT_RUN:
        return Failure(ErrorKind.TOOL, None, words)
    if _CRASHES.search(text):
        return Failure(ErrorKind.TOOL, None, words)
    kind = _kind(words) or (
        ErrorKind.NOT_FOUND if rc2_is_missing and code == _NOT_FOUND_CODE else ErrorKind.TOOL
    )
    if kind is ErrorKind.NOT_FOUND and _OF_A_BLOB.search(words):
        kind = ErrorKind.BLOB_MISSING
    if kind is ErrorKind.BLOB_REFUSED and _OF_A_MANIFEST.search(words):
        kind = ErrorKind.REFUSED_BY_TARGET
    return Failure(kind, _side(words, kind, source, target), _unwrapped(words))


def _last_words(text: str) -> str:
    """From the last line that a tool ends with to the end of its output."""
    text = text.rstrip()[-_LAST_WORDS:]
    starts = [match.start() for match in _FINAL.finditer(text)]
    return text[starts[-1] :] if starts else text


def _unwrapped(words: str) -> str:
    """The message alone, without crane's label or skopeo's log line around it."""
    line = _LOG_LINE.match(words)
    if line is None:
        return words.removeprefix("Error: ")
    return line[1].replace('\\"', '"') + words[line.end() :]


def _kind(words: str) -> ErrorKind | None:
    plain = _PATHS.sub(" ", _IO_TIMEOUT.sub("i_o timeout", words))
    status = _STATUS.search(plain)
    return (
        _first(TOOL_RULES, plain)
        or (_first(STATUS_RULES, status[1]) if status else None)
        or _first(CODE_RULES, plain)
        or _first(WIRE_RULES, plain)
    )


def _first(rules: Rules, text: str) -> ErrorKind | None:
    return next((kind for pattern, kind in rules if re.search(pattern, text)), None)


def _side(words: str, kind: ErrorKind, source: str, target: str) -> Side | None:
    if kind in _OF_THE_TARGET:
        return Side.TARGET
    if kind in _UNDECIDED:
        return None
    named = {
        side
        for side, host in ((Side.SOURCE, source), (Side.TARGET, target))
        if host and re.search(rf"(?<![\w.-]){_pattern(host)}(?![\w.:-])", words)
    }
    if len(named) == 1:
        return named.pop()
    return next((side for pattern, side in _SIDES if pattern.search(words)), None)


def _pattern(host: str) -> str:
    """A host as texts spell it: Docker Hub goes by several names below its domain."""
    return r"(?:[\w-]+\.)?docker\.io" if host == DOCKER_HUB else re.escape(host)
