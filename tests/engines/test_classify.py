"""What tools say, and what is understood."""
# ruff: noqa: E501 - texts stand as the tools print them

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.engines.classify import Failure, classify
from image_sync.engines.redact import redacted_text, spellings, tail
from image_sync.errors import ErrorKind, Side

SOURCE, TARGET = "source.example", "127.0.0.1:40001"
IMAGE = f"{SOURCE}/lab/app@sha256:{'0' * 64}"
MANIFEST = f"GET https://{SOURCE}/v2/lab/app/manifests/sha256:{'0' * 64}"
PUT = f"PUT http://{TARGET}/v2/lab/app/manifests/sha256:{'0' * 64}"
PING = f'Get "https://{SOURCE}/v2/"'
PATCH = f'Patch "http://{TARGET}/v2/lab/app/blobs/uploads/1?_state=abc"'


def crane(text: str, code: int = 1) -> Failure:
    noise = "2026/01/02 03:04:05 Copying from denied/x to unauthorized/y\n"
    return classify(f"{noise}Error: {text}\n", code, source=SOURCE, target=TARGET)


def skopeo(text: str, code: int = 1) -> Failure:
    quoted = text.replace('"', '\\"')
    line = f'time="2026-01-02T03:04:05Z" level=fatal msg="{quoted}"\n'
    return classify(line, code, source=SOURCE, target=TARGET, rc2_is_missing=True)


K = ErrorKind
CRANE = [
    (f'fetching "{IMAGE}": {MANIFEST}: MANIFEST_UNKNOWN: manifest unknown', K.NOT_FOUND, "source"),
    (f"{MANIFEST}: NAME_UNKNOWN: repository name not known to registry", K.NOT_FOUND, "source"),
    (f"{MANIFEST}: UNAUTHORIZED: authentication required; [map[]]", K.UNAUTHORIZED, "source"),
    (f"{MANIFEST}: DENIED: requested access to the resource is denied", K.DENIED, "source"),
    (f"{MANIFEST}: TOOMANYREQUESTS: You have reached your limit", K.RATE_LIMITED, "source"),
    (f"{MANIFEST}: unexpected status code 429 Too Many Requests", K.RATE_LIMITED, "source"),
    (
        f"{MANIFEST}: unexpected status code 503 Service Unavailable: <html>access denied</html>",
        K.UNAVAILABLE,
        "source",
    ),
    (f"{MANIFEST}: NAME_INVALID: invalid repository name", K.CONFIG, "source"),
    (
        f'{PING}: dial tcp 1.2.3.4:443: connect: connection refused; Get "http://{SOURCE}/v2/": dial tcp 1.2.3.4:80: connect: connection refused',
        K.NETWORK,
        "source",
    ),
    (
        f"{PING}: dial tcp: lookup x on 1.1.1.1:53: no such host",
        K.NETWORK,
        "source",
    ),
    (f"{PING}: dial tcp 1.2.3.4:443: i/o timeout", K.TIMEOUT, None),
    (f"{PING}: net/http: TLS handshake timeout", K.TIMEOUT, None),
    (
        f"{PING}: tls: failed to verify certificate: x509: certificate signed by unknown authority",
        K.TLS,
        "source",
    ),
    (
        f"{PING}: http: server gave HTTP response to HTTPS client",
        K.TLS,
        "source",
    ),
    (
        f"{PING}: read tcp 1:2->3:4: read: connection reset by peer",
        K.NETWORK,
        "source",
    ),
    (f"{PING}: EOF", K.NETWORK, "source"),
    (f"{PATCH}: unexpected EOF", K.TRUNCATED, None),
    (
        f'{PATCH}: error verifying sha256 checksum after reading 5 bytes; got "a", want "b"',
        K.BAD_CONTENT,
        None,
    ),
    (
        f"GET https://{SOURCE}/v2/lab/app/blobs/sha256:0: BLOB_UNKNOWN: blob unknown",
        K.BLOB_MISSING,
        "source",
    ),
    (
        f"GET https://{SOURCE}/v2/lab/app/blobs/sha256:0: unexpected status code 404 Not Found",
        K.BLOB_MISSING,
        "source",
    ),
    (f"{PUT}: MANIFEST_INVALID: manifest invalid; map[mediaType:x]", K.REFUSED_BY_TARGET, "target"),
    (f"{PUT}: MANIFEST_BLOB_UNKNOWN: blob unknown to registry", K.BLOB_MISSING, "target"),
    (f"{PUT}: unexpected status code 415 Unsupported Media Type", K.REFUSED_BY_TARGET, "target"),
    (f"{PUT}: unexpected status code 413 Request Entity Too Large", K.REFUSED_BY_TARGET, "target"),
    (
        f"PATCH http://{TARGET}/v2/manifests/app/blobs/uploads/1: unexpected status code 413 Request Entity Too Large: <html>",
        K.BLOB_REFUSED,
        "target",
    ),
    (
        f"PUT http://{TARGET}/v2/manifests/app/blobs/uploads/1: unexpected status code 413 Request Entity Too Large",
        K.BLOB_REFUSED,
        "target",
    ),
    (
        f"{PUT}: UNKNOWN: unknown error; map[Err:28 Op:write Path:/x] no space left on device",
        K.TARGET_FULL,
        "target",
    ),
    (f"{PUT}: unexpected status code 507 Insufficient Storage", K.TARGET_FULL, "target"),
    (f"POST http://{TARGET}/v2/lab/app/blobs/uploads/: UNAUTHORIZED: x", K.UNAUTHORIZED, "target"),
    (f"{PATCH}: BLOB_UPLOAD_INVALID: blob upload invalid", K.UNAVAILABLE, "target"),
    (f"no child with platform linux/s390x in index {IMAGE}", K.NO_PLATFORM, "source"),
    ("parsing config file (/x/config.json): invalid character", K.CONFIG, None),
    ('error getting credentials - err: exec: "docker-credential-x"', K.CONFIG, None),
    ("could not parse reference: x", K.CONFIG, None),
    ("unknown flag: --no-such", K.UNSUPPORTED, None),
    (f'fetching "{IMAGE}": unsupported MediaType: "application/x"', K.UNSUPPORTED, "source"),
    (
        'SSRF protection: Location header redirects to private/link-local host "10.0.0.1"',
        K.UNSUPPORTED,
        None,
    ),
    ('realm host "10.0.0.1" is a private or link-local address', K.UNSAFE, None),
    ("interrupt signal received", K.TOOL, None),
]
AT_SOURCE = f"initializing source docker://{IMAGE}: reading manifest sha256:0 in {SOURCE}/lab/app"
AT_TARGET = f"writing manifest: uploading manifest v1 to {TARGET}/lab/app"
SKOPEO = [
    (f"{AT_SOURCE}: manifest unknown", K.NOT_FOUND, "source"),
    (f"{AT_SOURCE}: name unknown: repository name not known to registry", K.NOT_FOUND, "source"),
    (f"{AT_SOURCE}: unauthorized: authentication required", K.UNAUTHORIZED, "source"),
    (
        f"{AT_SOURCE}: unable to retrieve auth token: invalid username/password: unauthorized: x",
        K.UNAUTHORIZED,
        "source",
    ),
    (f"{AT_SOURCE}: denied: requested access to the resource is denied", K.DENIED, "source"),
    (f'{AT_SOURCE}: StatusCode: 403, "<html>no</html>"', K.DENIED, "source"),
    (f"{AT_SOURCE}: toomanyrequests: rate exceeded", K.RATE_LIMITED, "source"),
    (f"{AT_SOURCE}: received unexpected HTTP status: 502 Bad Gateway", K.UNAVAILABLE, "source"),
    (
        f'pinging container registry {SOURCE}: Get "https://{SOURCE}/v2/": dial tcp: lookup {SOURCE}: no such host',
        K.NETWORK,
        "source",
    ),
    (
        f'pinging container registry {SOURCE}: Get "https://{SOURCE}/v2/": x509: certificate is valid for A, not B',
        K.TLS,
        "source",
    ),
    (
        f'pinging container registry {TARGET}: Get "http://{TARGET}/v2/": connect: connection refused',
        K.NETWORK,
        "target",
    ),
    ("reading blob sha256:0: fetching blob: blob unknown to registry", K.BLOB_MISSING, "source"),
    (
        "reading blob sha256:0: Error fetching blob: invalid status code from registry 404 (Not Found)",
        K.BLOB_MISSING,
        "source",
    ),
    (
        'writing blob: storing blob to file "x": happened during read: unexpected EOF',
        K.TRUNCATED,
        None,
    ),
    ("writing blob: Digest did not match, expected sha256:0, got sha256:1", K.BAD_CONTENT, None),
    (f"{AT_TARGET}: manifest invalid: manifest invalid", K.REFUSED_BY_TARGET, "target"),
    (
        f"{AT_TARGET}: received unexpected HTTP status: 413 Request Entity Too Large",
        K.REFUSED_BY_TARGET,
        "target",
    ),
    (
        "writing blob: uploading layer chunked: received unexpected HTTP status: 413 Request Entity Too Large",
        K.BLOB_REFUSED,
        "target",
    ),
    (
        f"writing blob: initiating layer upload to /v2/x/blobs/uploads/ in {TARGET}: denied",
        K.DENIED,
        "target",
    ),
    (
        'no image found in image index for architecture "s390x", variant "", OS "linux"',
        K.NO_PLATFORM,
        None,
    ),
    (
        "copying image 1/2: Unexpectedly received a manifest list instead of a manifest",
        K.UNSUPPORTED,
        None,
    ),
    ("Manifest list must be converted to type x, but we cannot modify it", K.UNSUPPORTED, None),
    ("Copying this image would change the manifest, which is not possible", K.UNSUPPORTED, None),
    ('reading JSON file "/x": invalid character', K.CONFIG, None),
    ('Invalid image name "docker://x": invalid reference format', K.CONFIG, None),
]


def ids(rows: list[tuple[str, ErrorKind, str | None]]) -> list[str]:
    return [f"{kind}-{number}" for number, (_, kind, _) in enumerate(rows)]


@pytest.mark.parametrize(("text", "kind", "side"), CRANE, ids=ids(CRANE))
def test_crane_is_understood(text: str, kind: ErrorKind, side: str | None) -> None:
    """Its texts give the kind, and the side where they tell it."""
    failure = crane(text)
    assert (failure.kind, failure.side) == (kind, side and Side(side))
    assert failure.words.strip() == text


@pytest.mark.parametrize(("text", "kind", "side"), SKOPEO, ids=ids(SKOPEO))
def test_skopeo_is_understood(text: str, kind: ErrorKind, side: str | None) -> None:
    """So do skopeo's."""
    failure = skopeo(text)
    assert (failure.kind, failure.side) == (kind, side and Side(side))
    assert failure.words.strip() == text


def test_exit_code_2_is_not_found_for_skopeo_alone() -> None:
    """And only where the text says nothing better."""
    assert skopeo("something new", 2).kind is ErrorKind.NOT_FOUND
    assert skopeo(f"{AT_SOURCE}: unauthorized: x", 2).kind is ErrorKind.UNAUTHORIZED
    assert crane("something new", 2).kind is ErrorKind.TOOL
    assert skopeo("panic: runtime error", 1).kind is ErrorKind.TOOL


@pytest.mark.parametrize("code", [None, -9, -11, -15, 126, 127, 137, 139])
def test_a_tool_that_did_not_end_by_itself_is_its_own_fault(code: int | None) -> None:
    """Whatever it had said before."""
    assert crane(f"{MANIFEST}: UNAUTHORIZED: x", code if code is not None else -1).kind is K.TOOL
    assert classify("unauthorized", code).kind is ErrorKind.TOOL


WORDS = [
    "denied",
    "unauthorized",
    "toomanyrequests",
    "certificate",
    "x509",
    "timeout",
    "429",
    "eof",
]


@pytest.mark.parametrize("word", WORDS)
def test_the_name_of_a_repository_decides_nothing(word: str) -> None:
    """A repository may be called like an error."""
    image = f"registry.example/{word}/{word}@sha256:{'0' * 64}"
    text = f"Error: GET https://registry.example/v2/{word}/{word}/manifests/x: MANIFEST_UNKNOWN: m"
    assert classify(text, 1).kind is ErrorKind.NOT_FOUND
    assert classify(f"Error: copying {image}: something new", 1).kind is ErrorKind.TOOL


def test_docker_hub_goes_by_several_names() -> None:
    """docker.io is not where its API answers."""
    text = "Error: GET https://index.docker.io/v2/library/x/manifests/1: MANIFEST_UNKNOWN: m"
    assert classify(text, 1, source="docker.io", target=TARGET).side is Side.SOURCE


@given(st.text() | st.sampled_from([row[0] for row in CRANE]), st.integers() | st.none())
def test_any_words_and_code_are_some_failure(text: str, code: int | None) -> None:
    """Foreign text never raises, whatever the hosts are called."""
    failure = classify(text, code, source="a[b(c", target="*", rc2_is_missing=True)
    assert failure.kind in ErrorKind
    assert len(failure.words) <= 4096


@given(st.text(min_size=3, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_known_secret_never_gets_through(secret: str, before: str, after: str) -> None:
    """In none of its spellings, wherever it stands."""
    secrets = spellings(secret)
    for spelling in secrets:
        shown = redacted_text(f"{before} {spelling} {after}", secrets)
        rest = (
            redacted_text(f"{before} ", secrets)
            + redacted_text(f" {after}", secrets)
            + "[redacted]"
        )
        assert spelling not in shown or spelling in rest


def test_a_secret_inside_another_does_not_save_the_rest() -> None:
    """The longest spelling goes first."""
    assert redacted_text("sent abcdef", {"abc", "abcdef"}) == "sent [redacted]"


@given(st.text(), st.integers(min_value=20, max_value=500))
def test_what_is_shown_is_one_printable_line(text: str, limit: int) -> None:
    """No control character, no newline, no more than a bounded length."""
    shown = tail(redacted_text(text), limit)
    assert shown.isprintable()
    assert len(shown) <= 11 * (limit + 4)  # an escaped character takes ten at most


def test_the_last_words_are_kept_and_so_are_both_ends_of_a_long_line() -> None:
    """What was tried stands in front, the cause at the end."""
    shown = tail("first\nsecond\n" + "GET https://x " + "y" * 1000 + " refused", 100)
    assert shown.startswith("GET https://x ")
    assert shown.endswith(" refused")
    assert "first" not in shown
