"""References: which registry, which repository, which tag or digest.

The grammar is that of the OCI distribution spec 1.1 (section Pulling manifests) joined with the
host and Docker Hub rules of `distribution/reference`, and in every doubtful case the stricter of
what crane and skopeo accept: ASCII only, no empty, `.` or `..` component, no leading `-`, `_` or
`.`, no trailing dot in a host. So a reference that parses can be rebuilt into a URL, an operand or
a file name without escaping.

Not here: what a bare digest is tagged as, or the path an image gets in the cache (`config/`).
"""

import re
from ipaddress import IPv6Address
from typing import Self

import msgspec

from image_sync.oci.digest import Digest
from image_sync.oci.quoting import quoted

DOCKER_HUB = "docker.io"
DOCKER_HUB_API = "registry-1.docker.io"
"""Where docker.io's registry API answers: distribution/reference and every client agree."""
_DOCKER_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", DOCKER_HUB_API})
_HTTPS_PORT = "443"
_MAX_PORT = 65_535
_PORT = re.compile(r"[1-9][0-9]{0,4}")

MAX_NAME = 255
"""Characters of host and repository together: distribution/reference, NameTotalLengthMax."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # 63 octets: RFC 1035, section 2.3.4
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_DIGEST_LIKE = re.compile(r"[0-9a-f]{64}")  # distribution/reference refuses it as a name, too
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def parse_host(text: str) -> str:
    """The canonical `host[:port]` of a registry: lower case, Docker Hub's names and `:443` folded.

    A bare name such as `zot` keeps its `:443`: without, it would read as a part of Docker Hub.

    Raises:
        ValueError: It is not a host, or carries a scheme.
    """
    if "://" in text:
        raise ValueError(f"{quoted(text)} carries a scheme: write host[:port] alone")
    # Lower case first would make an ASCII k of the Kelvin sign.
    name, port = _split_port(text.lower()) if text.isascii() else (text, "")
    if port and not (_PORT.fullmatch(port) and int(port) <= _MAX_PORT):
        raise ValueError(f"{quoted(text)} has no valid port: expected 1 to {_MAX_PORT}")
    if name.startswith("["):
        name = _ipv6(name)
    elif not _HOST_NAME.fullmatch(name):
        raise ValueError(f"{quoted(text)} is not a host name or address")
    if port == _HTTPS_PORT and reads_as_host(name):
        port = ""
    if name in _DOCKER_HUB_NAMES and not port:
        return DOCKER_HUB
    return f"{name}:{port}" if port else name


def parse_path(text: str) -> str:
    """A repository path such as `library/nginx`, as it is.

    Raises:
        ValueError: It breaks the grammar of the distribution spec.
    """
    if len(text) > MAX_NAME:
        raise ValueError(f"the repository {quoted(text)} is longer than {MAX_NAME} characters")
    if _DIGEST_LIKE.fullmatch(text.removeprefix("library/")):
        raise ValueError(f"{quoted(text)} reads like a digest, not like a repository")
    if not _PATH.fullmatch(text):
        raise ValueError(
            f"{quoted(text)} is not a repository: expected lower-case letters and digits, with "
            "single '.', '_', '__' or '-' inside a component and '/' between components"
        )
    return text


def parse_tag(text: str) -> str:
    """A tag, as it is.

    Raises:
        ValueError: It breaks the grammar of the distribution spec.
    """
    if not _TAG.fullmatch(text):
        raise ValueError(
            f"{quoted(text)} is not a tag: expected up to 128 letters, digits, '_', '.' or '-', "
            "not starting with '.' or '-'"
        )
    return text


class Repository(msgspec.Struct, frozen=True, order=True):
    """A repository in a registry; `host` is canonical."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The repository that a text names, read as Docker does.

        A first component with a dot or a port, or `localhost`, is the host; anything else is on
        Docker Hub, whose official images live below `library/`.

        Raises:
            ValueError: It breaks the grammar, or carries a tag or digest.
        """
        if "://" in text:
            raise ValueError(f"{quoted(text)} carries a scheme: write host/repository without it")
        if "@" in text:
            raise ValueError(
                f"{quoted(text)} carries a digest, where only a repository is expected"
            )
        first, slash, rest = text.partition("/")
        named = slash and reads_as_host(first)
        host = parse_host(first) if named else DOCKER_HUB
        path = rest if named else text
        if ":" in path:
            raise ValueError(f"{quoted(text)} carries a tag, where only a repository is expected")
        path = parse_path(path)
        if host == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        if len(host) + 1 + len(path) > MAX_NAME:
            raise ValueError(f"{quoted(text)} is longer than {MAX_NAME} characters")
        return cls(host, path)

    def tag(self, tag: str) -> "Reference":
        """A tag in this repository."""
        return Reference(self, tag=tag)

    def digest(self, digest: Digest) -> "Reference":
        """A digest in this repository."""
        return Reference(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


class Reference(msgspec.Struct, frozen=True):
    """A manifest in a repository: by tag, by digest, or a tag pinned to a digest."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reference that a text spells; without tag and digest the tag is `latest`.

        Raises:
            ValueError: It breaks the grammar.
        """
        name, at, pinned = text.partition("@")
        digest = Digest.parse(pinned) if at else None
        start = name.rfind("/") + 1  # a colon before the last slash is a port
        last, colon, tag = name[start:].partition(":")
        repository = Repository.parse(name[:start] + last)
        if colon:
            return cls(repository, parse_tag(tag), digest)
        return cls(repository, None if digest else "latest", digest)

    @property
    def selector(self) -> str:
        """What goes into a URL or an operand: the digest where there is one, else the tag."""
        return str(self.digest) if self.digest else str(self.tag)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        pin = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{pin}"


def api_host(host: str) -> str:
    """Where the registry API of a canonical host answers."""
    return DOCKER_HUB_API if host == DOCKER_HUB else host


def split_host(host: str) -> tuple[str, int | None]:
    """Name or address, without brackets, and port of a canonical host; None if it names none."""
    name, port = _split_port(host)
    return name.strip("[]"), int(port) if port else None


def host_name(host: str) -> str:
    """The name or address of a canonical host, without port and brackets."""
    return split_host(host)[0]


def reads_as_host(text: str) -> bool:
    """Whether Docker, and every tool after it, takes a first component for a host."""
    return "." in text or ":" in text or text == "localhost"


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        name, bracket, rest = text.partition("]")
        if rest and not rest.startswith(":"):
            return text, ""  # not a host; the grammar says so
        if rest == ":":
            return text, ""
        return name + bracket, rest[1:]
    name, colon, port = text.partition(":")
    return (text, "") if colon and not port else (name, port)


def _ipv6(name: str) -> str:
    """An IPv6 address in brackets, in its canonical spelling (RFC 5952)."""
    address = name[1:-1]
    if not name.endswith("]") or "%" in address:
        raise ValueError(f"{quoted(name)} is not an IPv6 address in brackets")
    try:
        return f"[{IPv6Address(address)}]"
    except ValueError:
        raise ValueError(f"{quoted(name)} is not an IPv6 address in brackets") from None
