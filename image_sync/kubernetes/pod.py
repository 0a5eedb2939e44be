"""What Kubernetes gives every container: where its API is, and the Pod's account there.

Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod, section Directly
accessing the REST API.
"""

import platform
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

from image_sync.errors import ApiError, ConfigError, ErrorKind, Problem

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where every container finds the account of its Pod."""
_TOKEN_AGE = 60.0
"""Seconds after which the token is read again: it lives for an hour and is replaced early."""
_LARGEST = 64 * 1024  # bytes of a file here; tokens have 1 to 2 KiB


class Pod:
    """This Pod, as its containers see it.

    Args:
        url: Of the API.
        identity: What it calls itself in an election: no other process has the same, and neither
            had one that ran in this Pod before.
        account: Folder with the service account's `token`, `ca.crt` and `namespace`.
        clock: Tells the time in seconds, on a clock that never jumps.
    """

    def __init__(
        self,
        url: str,
        identity: str,
        account: Path = ACCOUNT,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.url = url
        self.identity = identity
        self._account = account
        self._clock = clock
        self._token = ""
        self._read_at = float("-inf")

    @property
    def ca_file(self) -> str:
        """Who signed the API's certificate: path of a PEM file."""
        return str(self._account / "ca.crt")

    def namespace(self) -> str:
        """Its namespace.

        Raises:
            ApiError: The file cannot be read.
        """
        return self._text("namespace")

    def token(self, *, fresh: bool = False) -> str:
        """The service account's token, at most a minute old.

        Args:
            fresh: True if the one that was given last is not taken any more.

        Raises:
            ApiError: The file cannot be read.
        """
        if fresh or self._clock() - self._read_at >= _TOKEN_AGE:
            self._token = self._text("token")
            self._read_at = self._clock()
        return self._token

    def _text(self, name: str) -> str:
        path = self._account / name
        try:
            with path.open("rb") as file:
                text = file.read(_LARGEST).decode("ascii").strip()
        except OSError as error:
            raise _unusable(path, error.strerror or "unreadable") from error
        except ValueError:  # its text has the bytes
            raise _unusable(path, "not ASCII") from None
        if not text.isprintable() or not text or " " in text:
            raise _unusable(path, "empty, or more than one word")
        return text


def find_pod(environ: Mapping[str, str], account: Path = ACCOUNT) -> Pod:
    """The Pod that this process runs in.

    Args:
        environ: Where the API is, and the Pod's name.
        account: Folder with the service account's files.

    Raises:
        ConfigError: It runs in none.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host:
        raise ConfigError(
            [
                Problem(
                    "a Lease is asked for, and this is no Pod in Kubernetes: "
                    "KUBERNETES_SERVICE_HOST is not set",
                    path="settings.lease",
                )
            ]
        )
    authority = f"[{host}]" if ":" in host else host
    name = environ.get("POD_NAME") or platform.node()
    # As client-go's users do: a container that starts again is not who it was before.
    identity = f"{name}_{secrets.token_hex(4)}"
    return Pod(f"https://{authority}:{port or '443'}", identity, account)


def _unusable(path: Path, why: str) -> ApiError:
    return ApiError(
        f"the service account's file {path} cannot be used: {why.lower()}",
        ErrorKind.CONFIG,
        hint="set automountServiceAccountToken: true in the Pod's spec",
    )
