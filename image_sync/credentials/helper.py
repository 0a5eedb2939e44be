"""Credential helpers: `docker-credential-NAME get` (docker/docker-credential-helpers).

The server's name goes in on stdin; JSON with `Username` and `Secret` comes back. The user name
`<token>` means that the secret is an identity token.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from image_sync.credentials.credential import Credential, is_sendable
from image_sync.runtime import process

_DEADLINE = 10.0
"""Seconds for one answer; keychains and cloud helpers take up to two."""
_NOT_FOUND = b"credentials not found"
"""How a helper says that it has none: docker-credential-helpers, `credentials/error.go`."""
_TOKEN_USER = "<token>"  # noqa: S105 - a marker


class HelperFailed(Exception):  # noqa: N818 - not ours
    """A helper gave no usable answer; the text says why, without anything it printed."""


def find_helper(name: str, environ: Mapping[str, str]) -> Path | None:
    """The program of a helper on PATH, None if there is none."""
    return process.find_program(f"docker-credential-{name}", environ)


async def ask_helper(
    name: str, server: str, environ: Mapping[str, str], *, deadline: float = _DEADLINE
) -> Credential | None:
    """What a helper knows of a server, None if it knows nothing.

    Args:
        name: Of the helper, `[a-z0-9-]+`.
        server: As docker names it.
        environ: Its environment: helpers of clouds find their own account there.
        deadline: Seconds until it is ended.

    Raises:
        HelperFailed: It is missing, failed, hung or answered with something else.
    """
    program = find_helper(name, environ)
    if program is None:
        raise HelperFailed("there is no such program on PATH")
    try:
        done = await process.run(
            (str(program), "get"),
            env=environ,
            cwd=Path("/"),
            deadline=deadline,
            stdin=server.encode(),
        )
    except OSError as error:
        raise HelperFailed(f"it cannot be started: {error.strerror or 'no program'}") from error
    if done.timed_out:
        raise HelperFailed(f"it gave no answer within {deadline:g} s")
    if done.code != 0:
        if _NOT_FOUND in done.stdout or _NOT_FOUND in done.stderr:
            return None
        raise HelperFailed(f"it ended with exit code {done.code}")
    return _parse(done.stdout)


def _parse(stdout: bytes) -> Credential | None:
    try:
        answer = json.loads(stdout)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise HelperFailed("its answer is not the JSON of a credential") from None
    if not (isinstance(username, str) and isinstance(secret, str)):
        raise HelperFailed("its answer is not the JSON of a credential")
    if not (is_sendable(username) and is_sendable(secret)):
        raise HelperFailed("its answer is not Unicode text: it has half of a surrogate pair")
    if username == _TOKEN_USER:
        return Credential("", "", secret)
    return Credential(username, secret) if username else None
