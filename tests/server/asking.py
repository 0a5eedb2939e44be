"""A client that sees what is on the wire, and an application to ask."""

import anyio
import msgspec
from anyio.abc import SocketStream

from image_sync.runtime.serve import Address

_DEADLINE_SECONDS = 5.0  # a test that hits it is broken


class Answer(msgspec.Struct, frozen=True):
    """What came until the connection ended."""

    data: bytes

    @property
    def status(self) -> int:
        """Of the first line."""
        return int(self.data.split(b" ", 2)[1])

    @property
    def fields(self) -> dict[str, str]:
        """Names in lower case."""
        lines = self.data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        """After the first empty line."""
        return self.data.partition(b"\r\n\r\n")[2]


async def connect(address: Address) -> SocketStream:
    """A connection to a server on this machine."""
    return await anyio.connect_tcp(address.host, address.port)


async def exchange(address: Address, sent: bytes) -> Answer:
    """What comes for some bytes until the server closes."""
    with anyio.fail_after(_DEADLINE_SECONDS):
        async with await connect(address) as stream:
            await stream.send(sent)
            return Answer(await read_all(stream))


async def read_all(stream: SocketStream) -> bytes:
    """Everything until the other side closes."""
    data = b""
    async for chunk in stream:
        data += chunk
    return data


def request(path: str, method: str = "GET", *fields: str) -> bytes:
    """A request after which the server closes."""
    lines = (f"{method} {path} HTTP/1.1", "Host: a", "Connection: close", *fields)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


async def ask(address: Address, path: str, method: str = "GET") -> Answer:
    """The answer to one request."""
    return await exchange(address, request(path, method))
