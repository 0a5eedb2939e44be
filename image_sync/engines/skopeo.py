"""skopeo, of the Containers project: one `skopeo copy` by digest per image.

Trust, accounts and certificates are given per side. `--all` and `--preserve-digests` always:
without them it picks the host's platform, or converts and recompresses silently; measured with
1.9.3, 1.18 and 1.22.
"""

from pathlib import Path

from image_sync.engines.access import Access, Accounts, auth_file, operand_host, secrets
from image_sync.engines.base import Copied, CopyRequest, Refusal, Turn
from image_sync.engines.tool import Command, Profile, Tool
from image_sync.engines.versions import SKOPEO
from image_sync.errors import ErrorKind
from image_sync.events import Emit
from image_sync.model import Endpoint, Security
from image_sync.runtime import process
from image_sync.runtime.files import write_private

_POLICY = b'{"default":[{"type":"insecureAcceptAnything"}]}'
"""containers-policy.json(5): signatures are not what skopeo is asked for; digests are checked."""
_NOT_ROOT = {"_CONTAINERS_ROOTLESS_UID": "65534"}
"""Keeps what skopeo remembers of blobs in the private folder, where it goes when the copy is done:
root's would be in /var/lib/containers/cache, and has changed digests (skopeo issue 1097). Measured
with 1.9.3 and 1.18 (containers/image, internal/rootless)."""
_OWN_DEADLINE = 10.0
"""Seconds that skopeo's own deadline comes after ours, for where it outlives us."""
PROFILE = Profile(
    "skopeo",
    ("--version",),
    SKOPEO,
    "apt-get, dnf or brew install skopeo",
    rc2_is_missing=True,
)


class Skopeo:
    """The engine."""

    name = PROFILE.name
    resumes = False
    vouches = False

    def __init__(
        self,
        access: Access,
        emit: Emit,
        *,
        named: bool,
        limits: process.Limits = process.Limits(),  # noqa: B008 - an immutable value
    ) -> None:
        self._access = access
        self._tool = Tool(PROFILE, access, emit, named=named, limits=limits)

    async def refusal(self, request: CopyRequest) -> Refusal | None:
        """Why skopeo will not do this copy; None if it can."""
        if request.beyond_tools:
            return Refusal(request.beyond_tools)
        for endpoint in (request.source, request.target):
            if endpoint.host.startswith("["):
                return Refusal(f"it cannot read the IPv6 host {endpoint.host}")
        if self._access.policy(request.target).proxy:
            return Refusal("it cannot be given a proxy for the cache alone")
        return await self._tool.refusal()

    async def copy(self, request: CopyRequest, turn: Turn) -> Copied:
        """Copy by digest.

        Raises:
            EngineError: It did not work.
        """
        accounts = await self._access.accounts(request)
        with self._tool.folder() as folder:
            command = self._command(request, accounts, folder)
            moved = await self._tool.run(command, folder, request.deadline, turn.progress)
        return Copied(moved, None)

    def _command(
        self,
        request: CopyRequest,
        accounts: Accounts,
        folder: Path,
    ) -> Command:
        source = operand_host(request.source.host, request.source_security)
        target = operand_host(request.target.host, request.target_security)
        with self._tool.translating("write the policy and account files"):
            write_private(folder / "policy.json", _POLICY)
            (folder / "registries.d").mkdir(mode=0o700)
            write_private(folder / "src.json", auth_file({source: accounts[0]}))
            write_private(folder / "dest.json", auth_file({target: accounts[1]}))
        return Command(
            (
                "--command-timeout",
                f"{request.deadline + _OWN_DEADLINE:.0f}s",
                *("--policy", str(folder / "policy.json")),
                *("--registries-conf", "/dev/null"),
                *("--registries.d", str(folder / "registries.d")),
                *("copy", "--all", "--preserve-digests", "--retry-times", "0"),
                *("--src-authfile", str(folder / "src.json")),
                *("--dest-authfile", str(folder / "dest.json")),
                f"--src-tls-verify={_verify(request.source_security)}",
                f"--dest-tls-verify={_verify(request.target_security)}",
                *self._certificates("src", request.source, request.source_security, folder),
                *self._certificates("dest", request.target, request.target_security, folder),
                "--",
                f"docker://{source}/{request.source.repository.path}@{request.digest}",
                f"docker://{target}/{request.target.repository.path}@{request.digest}",
            ),
            _NOT_ROOT | self._access.ways(request.source, request.target),
            (source, target),
            secrets(*accounts),
        )

    def _certificates(
        self, side: str, endpoint: Endpoint, security: Security, folder: Path
    ) -> tuple[str, ...]:
        """The flag for a folder with the CA and the client certificate of a registry, if any.

        containers-certs.d(5): `*.crt` is added to the system's roots, `*.cert` and `*.key` are
        shown to the registry.
        """
        policy = self._access.policy(endpoint)
        files = {
            "ca.crt": policy.ca_file,
            "client.cert": policy.client_cert_file,
            "client.key": policy.client_key_file,
        }
        if security is Security.CLEAR or not any(files.values()):
            return ()
        certificates = folder / f"{side}-certs"
        reading = f"read the certificates of {endpoint.host}"
        with self._tool.translating(reading, ErrorKind.CONFIG):
            certificates.mkdir(mode=0o700)
            for name, file in files.items():
                if file:
                    write_private(certificates / name, Path(file).read_bytes())
        return (f"--{side}-cert-dir", str(certificates))


def _verify(security: Security) -> str:
    return "true" if security is Security.VERIFIED else "false"
