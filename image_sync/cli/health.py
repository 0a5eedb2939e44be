"""`image-sync health`: whether the process that runs until it is stopped is alive.

For exec probes and Docker's HEALTHCHECK. A page of one line is asked for: no HTTP library is
loaded for that. An answer counts only with the header that every page of ours has
(`server/app.py`), so that no other program on that port is taken for image-sync.
"""

import os
import re

import anyio
import click

from image_sync import config
from image_sync.cli import exit_codes
from image_sync.cli.options import with_config
from image_sync.cli.streams import write_result
from image_sync.config.listen import NOWHERE, parse_listen
from image_sync.oci.quoting import printable

_DEADLINE = 3.0
"""Seconds for everything; a healthy process takes milliseconds, and probes have a few seconds."""
_MOST = 4096
"""Bytes of the answer that are read; it has one line."""
_OWN = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not bound
"""How to reach what listens on every address from the same machine."""
_PAGE = "/livez"
_VERSION = re.compile(rb"(?im)^image-sync-version:[ \t]*([0-9A-Za-z.+-]{1,64})[ \t]*\r?$")
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")
_FINE = 200


@click.command()
@with_config
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where to ask; the configuration is not read then, and a wrong one does not matter.  "
    "[default: settings.server.listen]",
)
def health(location: str | None, address: str | None) -> int:
    """Say whether the running image-sync is alive: exit 0 if it is, else 1.

    Asks http://HOST:PORT/livez, as a probe of Kubernetes does, and says what it asked, who
    answered, and why not. The answer of another program is none.
    """
    if address and location:
        raise click.UsageError("give --address or --config, not both")
    host, port = _reachable(address or _configured(location))
    alive, text = anyio.run(_ask, host, port)
    write_result(lambda stream: print(text, file=stream))
    return exit_codes.OK if alive else exit_codes.FAILED


def _configured(location: str | None) -> str:
    return config.load(location, environ=os.environ).config.settings.server.listen


def _reachable(text: str) -> tuple[str, int]:
    """Address and port to connect to."""
    try:
        address = parse_listen(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if address is None:
        raise click.UsageError(
            f"settings.server.listen is {NOWHERE}: nobody can be asked; set it, or give --address"
        )
    host, port = address
    if port == 0:
        raise click.UsageError("port 0 is any port: give --address with the one that the log names")
    return _OWN.get(host, host), port


async def _ask(host: str, port: int, deadline: float = _DEADLINE) -> tuple[bool, str]:
    """Whether it is alive, and a line that says so."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    url = f"http://{where}{_PAGE}"
    try:
        with anyio.fail_after(deadline):
            answer = await _fetch(host, port, where)
    except TimeoutError:
        return False, f"no answer from {url} within {deadline:g} s"
    except (OSError, anyio.BrokenResourceError) as error:
        return False, f"nobody answers at {url}: {_reason(error)}"
    return _judge(answer, url)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error  # anyio's own words name no cause
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno)
    return printable(str(cause)) or "the connection broke"


async def _fetch(host: str, port: int, where: str) -> bytes:
    """The answer, all of it or its beginning."""
    answer = b""
    async with await anyio.connect_tcp(host, port) as stream:
        request = f"GET {_PAGE} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n"
        await stream.send(request.encode("ascii"))
        async for chunk in stream:
            answer += chunk
            if len(answer) >= _MOST:
                break
    return answer[:_MOST]


def _judge(answer: bytes, url: str) -> tuple[bool, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, version = _STATUS.match(head), _VERSION.search(head)
    if status is None or version is None:
        return False, f"what answers at {url} is not image-sync"
    who = f"image-sync {version[1].decode()}"
    if int(status[1]) == _FINE:
        return True, f"{who} is alive at {url}"
    reason = printable(body.decode("utf-8", "replace").strip())
    return False, f"{who} at {url} answers {status[1].decode()}: {reason}"
