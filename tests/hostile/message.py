"""HTTP/1.1 messages as values: header fields, requests, the heads of answers (RFC 9112).

Names, order and repetition of header fields are kept as they are, because faults live there.
Sockets belong in `connection.py`.
"""

from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qsl

import msgspec


class Headers(msgspec.Struct, frozen=True):
    """Header fields in the order of the wire; names compare without case."""

    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, *fields: tuple[str, str]) -> Self:
        """Headers with these fields."""
        return cls(fields)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return tuple(value for key, value in self.fields if key.lower() == name.lower())

    def get(self, name: str) -> str | None:
        """The first value of a field, or None."""
        return next(iter(self.all(name)), None)

    def adding(self, name: str, value: str) -> Self:
        """A copy with one more field, beside any of the same name."""
        return type(self)((*self.fields, (name, value)))

    def without(self, name: str) -> Self:
        """A copy without a field."""
        return type(self)(tuple(f for f in self.fields if f[0].lower() != name.lower()))

    def replacing(self, name: str, value: str) -> Self:
        """A copy in which a field has this value alone."""
        return self.without(name).adding(name, value)


class BadRequest(Exception):  # noqa: N818 - named for the status it is answered with
    """The client sent something that is not HTTP/1.1."""


class Request(msgspec.Struct, frozen=True):
    """One request as it came; `body` fills up while it is read."""

    method: str
    path: str  # as sent: not decoded, dots not resolved
    query: str
    headers: Headers
    connection: int  # counted from 1 within one server
    body: bytearray = msgspec.field(default_factory=bytearray)

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def parameters(self) -> dict[str, str]:
        """The decoded query; the last of several equal names wins."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def wants_close(self) -> bool:
        """Whether the client asked to end the connection after the answer."""
        return (self.headers.get("Connection") or "").lower() == "close"

    @classmethod
    def parse(cls, head: bytes, connection: int) -> Self:
        """The request that a head spells, without its body.

        Raises:
            BadRequest: It is not HTTP/1.1.
        """
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        try:
            method, target, version = first.split(" ")
            fields = tuple(_field(line) for line in lines)
        except ValueError:
            raise BadRequest(f"not HTTP: {head[:80]!r}") from None
        if version != "HTTP/1.1":
            raise BadRequest(f"not HTTP/1.1: {version!r}")
        path, _, query = target.partition("?")
        return cls(method, path, query, Headers(fields), connection)


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(line)
    return name, value.strip()


def status_line(status: int) -> bytes:
    """The first line of an answer, with its line end."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("latin-1")


def field_lines(headers: Headers) -> bytes:
    """Header fields as lines, without the empty line after them."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.fields).encode("latin-1")
