"""Hostile requests, drawn from a grammar: paths, fields, bodies, and how a body is announced.

Pure: bytes come out, nothing is sent. Half of what is drawn is nearly right, because what is wrong
throughout is refused by the first rule that sees it.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from tests.real.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, filler, sha256

NAMES: Final = ("a", "a/b", "team/app", "team/app/deep", "x" * 120)
TAGS: Final = ("1", "latest", "v1.0_rc-1", "T" * 128)
METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE")
CANARY: Final = b"canary: nobody may read this"
"""What lies beside the registry's folder, in a file named `secret`."""

_STRANGE_METHODS: Final = ("OPTIONS", "TRACE", "get", "CONNECT", "PROPFIND", "M" * 200)
_NUL, _HEX = "%00", "0123456789abcdef"
_SEGMENTS: Final = (
    *("..", ".", "", "%2e%2e", ".%2e", "%252e%252e", "..%2f..", "%2f", "..%5c..", "\\..\\", "...."),
    *(_NUL, "a%00b", "%0a", "a%0d%0ax:%20y", "%09", "%20", "%7f", "~", "$HOME", "%25", "%", "%zz"),
    *("%c0%ae%c0%ae", "%ef%bc%8e%ef%bc%8e", "%e2%80%ae", "%C3%A9", "%ed%a0%80", "%f0%9f%90%b3"),
    *("blobs", "index.json", "oci-layout", ".uploads", ".image-sync.lock", "secret", "etc", "con"),
    *("manifests", "tags", "list", "uploads", "referrers", "_catalog", "v2", "sha256", "sha512"),
    *("A", "-a", "a-", "a--b", "a__b", "a___b", "a..b", "a" * 255, "a" * 256, "a" * 3000, "%3f"),
    *("sha256:", "sha256:..", "sha256:" + "a" * 64, "sha256:" + "A" * 64, "sha512:" + "0" * 128),
    *("md5:" + "0" * 32, "a" * 64, "sha256:%2e%2e%2f" + "0" * 55, "a;b", "a,b", "a+b", "a=b", "@"),
)
_CALLS: Final = (
    "manifests/{}",
    "blobs/{}",
    "blobs/uploads/",
    "blobs/uploads/{}",
    "tags/list",
    "referrers/{}",
)
_FIELDS: Final = (
    *("Range: bytes=0-", "Range: bytes=-1", "Range: bytes=5-2", "Range: bytes=0-0,2-3"),
    *("Range: bytes=" + "9" * 30 + "-", "Range: chars=0-1", "Range: \xff", "Range: bytes=-0"),
    *("Content-Range: 0-4", "Content-Range: 5-1", "Content-Range: bytes 0-4/5", "Content-Range: x"),
    *("Content-Range: 9999999999999999999-9999999999999999999", "Content-Range: 0-0"),
    *(
        "If-None-Match: *",
        "If-None-Match: ,,,",
        "If-Range: x",
        "If-Match: *",
        "Expect: 100-continue",
    ),
    *(
        "Authorization: Basic",
        "Authorization: Basic !!!!",
        "Authorization: Bearer x",
        "Cookie: a=b",
    ),
    *("Authorization: Basic " + "QQ" * 2000, "Accept: " + "*/*," * 500, "Accept:"),
    *("X-Forwarded-For: ::1", "X-Original-URL: /v2/_catalog", "X-HTTP-Method-Override: DELETE"),
    *("Upgrade: websocket", "Connection: upgrade", "Connection: keep-alive", "Host: other"),
    *("Transfer-Encoding: gzip", "TE: trailers", "Content-Encoding: gzip", "X: " + "y" * 20_000),
    *("Content-Type: \xff\xfe", "Content-Type: text/html;x=" + "y" * 900, "Content-Type:", "Bad"),
    *("Content-Length: -1", "Content-Length: 1e3", "Content-Length: " + "9" * 40, " folded: x"),
)
_QUERIES: Final = (
    *("n=0", "n=1", "n=-1", "n=1e9", "n=" + "9" * 400, "n=%00", "last=%ff", "last=" + "z" * 999),
    *("digest=", "digest=sha256:", "digest=x&digest=y", "mount=sha256:x", "from=..%2f..", "&&==&"),
    *("artifactType=%00", "artifactType=%f0", "tag=", "tag=..", "tag=a&tag=b", "state=abc"),
    *("mount=sha256:" + "a" * 64 + "&from=../..", "digest-algorithm=md5", "%", "?", "#"),
)


class Blob(NamedTuple):
    """Content that is pushed again and again."""

    digest: str
    data: bytes


class Document(NamedTuple):
    """A manifest, or what calls itself one."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The sha256 of its bytes."""
        return sha256(self.data)


def _described(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def _document(media_type: str, **fields: object) -> Document:
    head = {"schemaVersion": 2, "mediaType": media_type}
    return Document(media_type, json.dumps({**head, **fields}).encode())


def _image(config: bytes, *layers: bytes, **fields: object) -> Document:
    described = [_described(OCI_LAYER, each) for each in layers]
    return _document(
        OCI_MANIFEST, config=_described(OCI_CONFIG, config), layers=described, **fields
    )


BLOBS: Final[Sequence[Blob]] = [
    Blob(sha256(data), data)
    for data in (b"", b"{}", *(filler(size, f"blob {size}") for size in (1, 77, 9_000, 300_000)))
]
"""All that is pushed as blobs. A few, so that many requests meet."""
_DATA: Final = [blob.data for blob in BLOBS]
_IMAGES: Final = [_image(_DATA[1], *_DATA[2:end]) for end in range(2, 6)]
DOCUMENTS: Final[Sequence[Document]] = [
    *_IMAGES,
    _document(OCI_INDEX, manifests=[_described(OCI_MANIFEST, each.data) for each in _IMAGES[:2]]),
    _image(_DATA[1], artifactType="test/sbom", subject=_described(OCI_MANIFEST, _IMAGES[0].data)),
    _image(_DATA[1], subject=_described(OCI_MANIFEST, b"not there"), annotations={"a": "\u00e9"}),
    _document(OCI_INDEX, manifests=[]),
]
"""All manifests that could be taken, if what they name is there."""
KNOWN: Final[Mapping[str, bytes]] = {
    **{blob.digest: blob.data for blob in BLOBS},
    **{each.digest: each.data for each in DOCUMENTS},
}
_NO_CHUNKS: Final = (b"zz\r\n", b"-1\r\n", b"f" * 99, b"5\r\nab", b"0\r\nX", b"\r\n\r\n")
_BOMBS: Final[Sequence[Callable[[], bytes]]] = (
    lambda: b"[" * 100_000,
    lambda: b'{"a":' * 50_000,
    lambda: b'{"manifests":[' + b"{}," * 50_000 + b"{}]}",
    lambda: b'{"schemaVersion":2,"schemaVersion":1}',
    lambda: b'{"schemaVersion":' + b"9" * 100_000 + b"}",
    lambda: b'{"mediaType":"\\ud800"}',
    lambda: b"\xff\xfe{}",
    lambda: b"null",
    lambda: b'"\\u0000"',
    lambda: b"1e999",
    lambda: b" " * 5_000_000,
    lambda: json.dumps({"mediaType": OCI_MANIFEST, "layers": [{}], "config": None}).encode(),
    lambda: json.dumps({"mediaType": OCI_INDEX, "manifests": [{"digest": "sha256:../x"}]}).encode(),
    lambda: json.dumps({"mediaType": "\u65e5\r\nX: y", "config": {}, "layers": []}).encode(),
    lambda: DOCUMENTS[0].data.replace(b"sha256:", b"sha256:../../"),
    lambda: DOCUMENTS[0].data.replace(b"config", b"Config"),
)


class Request(NamedTuple):
    """One request.

    Attributes:
        method: What it says first.
        target: What it says next; ASCII or not.
        head: All of it up to the body.
        body: What follows on the wire, framed.
        whole: Whether nothing is promised that does not come.
    """

    method: str
    target: str
    head: bytes
    body: bytes = b""
    whole: bool = True

    @property
    def story(self) -> str:
        """It in one line, for a report."""
        return f"{self.head[:600]!r} + {len(self.body)} bytes {self.body[:80]!r}"


def request(
    draw: random.Random, method: str, target: str, body: bytes | None = None, *fields: str
) -> Request:
    """A request that is right in its frame, four times of five, with some hostile fields at times.

    Args:
        draw: Where chance comes from.
        method: Its method.
        target: Its target.
        body: What it carries; None for nothing.
        fields: More fields.
    """
    lines = [*fields]
    if draw.random() < 0.3:
        lines += draw.choices(_FIELDS, k=draw.randint(1, 3))
    framing, framed, whole = ([], b"", True) if body is None else _framed(draw, body)
    every = [f"{method} {target} HTTP/1.1", "Host: registry", *framing, *lines, "Connection: close"]
    head = "".join(f"{line}\r\n" for line in (*every, "")).encode("latin-1", "replace")
    return Request(method, target, head, framed, whole)


def wild(draw: random.Random) -> Request:
    """A request whose path, method, fields and body have nothing to do with each other."""
    body = None if draw.random() < 0.5 else document(draw).data
    method = draw.choice(METHODS if draw.random() < 0.9 else _STRANGE_METHODS)
    return request(draw, method, _wild_target(draw), body)


def document(draw: random.Random) -> Document:
    """A manifest, a bomb, or a manifest with a byte that is wrong."""
    chance = draw.random()
    if chance < 0.6:
        return draw.choice(DOCUMENTS)
    media_type = draw.choice((OCI_MANIFEST, OCI_INDEX, "", "application/json"))
    if chance < 0.8:
        return Document(media_type, draw.choice(_BOMBS)())
    data = bytearray(draw.choice(DOCUMENTS).data)
    data[draw.randrange(len(data))] = draw.randrange(256)
    return Document(media_type, bytes(data))


def query(draw: random.Random, **wanted: str) -> str:
    """A query that says what is wanted, and more at times."""
    pairs = [f"{key}={value}" for key, value in wanted.items()]
    if draw.random() < 0.15:
        pairs.insert(draw.randint(0, len(pairs)), draw.choice(_QUERIES))
    return "?" + "&".join(pairs) if pairs else ""


def _wild_target(draw: random.Random) -> str:
    parts = draw.choice(NAMES).split("/")
    for _ in range(draw.randint(0, 3)):
        parts.insert(draw.randint(0, len(parts)), draw.choice(_SEGMENTS))
    call = draw.choice(_CALLS).format(draw.choice((*_SEGMENTS, *TAGS, *KNOWN)))
    target = "/".join(("", "v2", *parts, call))
    match draw.randrange(8):
        case 0:
            target = "/" + "/".join(draw.choices(_SEGMENTS, k=draw.randint(1, 6)))
        case 1:
            target = target.replace("/", "%2F", draw.randint(1, 3))
        case 2:
            target = quote(target, safe="/" if draw.random() < 0.5 else "")
        case 3:
            target = f"http://elsewhere{target}"
        case 4:
            target = target.replace("/v2/", draw.choice(("//v2/", "/v2//", "/v2/../v2/", "/V2/")))
        case _:
            pass
    return target.replace(" ", "%20") + query(draw)


def _framed(draw: random.Random, body: bytes) -> tuple[list[str], bytes, bool]:
    """Fields that announce a body, what follows, and whether that is all: true mostly, and lies."""
    length, chunked = f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"
    match draw.randrange(20):
        case 0:
            return [f"Content-Length: {len(body) + draw.randint(1, 999)}"], body, False
        case 1:
            return [f"Content-Length: {draw.randint(0, len(body))}"], body, True
        case 2:
            return [length, f"Content-Length: {len(body) + 1}"], body, False
        case 3:
            return [length, chunked], _in_chunks(draw, body), True
        case 4:
            cut = draw.randint(0, len(body))
            return [chunked], _in_chunks(draw, body)[:cut], False
        case 5:
            return [chunked], draw.choice(_NO_CHUNKS), False
        case 6 | 7 | 8 | 9:
            return [chunked], _in_chunks(draw, body), True
        case _:
            return [length], body, True


def _in_chunks(draw: random.Random, body: bytes) -> bytes:
    step = draw.choice((1_000, 64_000, 10_000_000)) if len(body) > 500 else draw.randint(1, 99)
    pieces = (body[start : start + step] for start in range(0, len(body), step))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
