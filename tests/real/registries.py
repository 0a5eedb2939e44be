"""Real registries as child processes: CNCF distribution, crane's, Zot, and our own.

Each is a context manager that yields a `RunningRegistry`. With `Serving(record=True)` a
recorder stands before it, which then ends TLS and is what clients see; the registry
itself speaks plain HTTP behind it, and `api` goes straight there, so that what a test
sets up or looks up is not among the recorded requests.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.real.accounts import write_htpasswd
from tests.real.children import Child, free_port
from tests.real.recorder import Recorder
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import ServerCertificate
from tests.real.tokens import ISSUER, SERVICE, TokenServer
from tests.real.tools import require, require_address

# Where the token server is on a registry's own host, as ghcr.io has it.
TOKEN_PATH: Final = "/token"

# A JSON object of a registry's configuration.
Fields = dict[str, object]


class Endpoint(NamedTuple):
    """What the process of a registry is told."""

    host: str
    directory: Path
    certificate: ServerCertificate | None
    htpasswd: Path | None
    realm: str | None
    token_signer: Path | None

    @property
    def root(self) -> Path:
        """The folder to store in."""
        return self.directory / "storage"

    @property
    def log(self) -> Path:
        """The file to log to."""
        return self.directory / "registry.log"

    def write_config(self, config: Fields) -> Path:
        """The configuration as a JSON file, which is YAML too."""
        file = self.directory / "config.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        return file


def distribution(
    directory: Path,
    serving: Serving | None = None,
    *,
    version: int = 3,
    descriptor_cache: bool = False,
) -> AbstractContextManager[RunningRegistry]:
    """CNCF distribution 3.1.2, or Debian's 2.8.2 for `version=2`.

    `descriptor_cache` keeps blob descriptors in memory, as Debian's configuration does:
    then the registry does not notice what is removed from its disk.
    """
    program = require("registry" if version == 3 else "registry-2.8")

    def child(endpoint: Endpoint) -> Child:
        config = _distribution_config(endpoint, descriptor_cache=descriptor_cache)
        # Distribution 3 sends traces to a collector on this machine unless told not to.
        environment = {"OTEL_TRACES_EXPORTER": "none"}
        return Child(
            [program, "serve", endpoint.write_config(config)],
            endpoint.host,
            endpoint.log,
            environment=environment,
        )

    return _serve(directory, serving or Serving(), child)


def crane_registry(
    directory: Path, serving: Serving | None = None
) -> AbstractContextManager[RunningRegistry]:
    """`crane registry serve`: no accounts; TLS only from a recorder."""
    program = require("crane")

    def child(endpoint: Endpoint) -> Child:
        assert endpoint.certificate is None, "crane's registry needs record=True for TLS"
        assert endpoint.htpasswd is None
        assert endpoint.realm is None
        endpoint.root.mkdir(exist_ok=True)
        return Child(
            [program, "registry", "serve", "--address", endpoint.host, "--disk", endpoint.root],
            endpoint.host,
            endpoint.log,
        )

    return _serve(directory, serving or Serving(), child)


def zot(
    directory: Path, serving: Serving | None = None, *, docker: bool = True
) -> AbstractContextManager[RunningRegistry]:
    """The Zot on PATH; `docker` lets it take Docker's media types (`http.compat`)."""
    program = require("zot")

    def child(endpoint: Endpoint) -> Child:
        assert endpoint.realm is None, "token_auth is for distribution"
        config = _zot_config(endpoint, docker=docker)
        return Child([program, "serve", endpoint.write_config(config)], endpoint.host, endpoint.log)

    return _serve(directory, serving or Serving(), child)


def embedded(
    directory: Path, serving: Serving | None = None
) -> AbstractContextManager[RunningRegistry]:
    """`image-sync serve`: no accounts; TLS only from a recorder."""

    def child(endpoint: Endpoint) -> Child:
        assert endpoint.certificate is None, "image-sync serve needs record=True for TLS"
        assert endpoint.htpasswd is None
        assert endpoint.realm is None
        where = ["--root", str(endpoint.root), "--listen", endpoint.host]
        command = [sys.executable, "-m", "image_sync", "serve", *where]
        return Child(command, endpoint.host, endpoint.log)

    return _serve(directory, serving or Serving(), child)


@contextmanager
def _serve(
    directory: Path, serving: Serving, make_child: Callable[[Endpoint], Child]
) -> Iterator[RunningRegistry]:
    require_address(serving.address)
    directory.mkdir(parents=True, exist_ok=True)
    certificate = serving.authority.issue() if serving.authority else None
    host = f"{serving.address}:{free_port(serving.address)}"
    with ExitStack() as stack:
        recorder = tokens = realm = None
        if serving.record:
            recorder = Recorder(host, address=serving.address, tls=certificate)
            stack.enter_context(recorder)
        if serving.token_auth:
            tokens, realm = _start_tokens(stack, directory, serving, certificate, recorder)
        basic = serving.accounts and not serving.token_auth
        endpoint = Endpoint(
            host,
            directory,
            None if recorder else certificate,
            write_htpasswd(directory / "htpasswd", *serving.accounts) if basic else None,
            realm,
            tokens.certificate if tokens else None,
        )
        child = make_child(endpoint)
        stack.callback(child.stop)
        child.start()
        yield RunningRegistry(child, endpoint.root, serving, recorder=recorder, tokens=tokens)


def _start_tokens(
    stack: ExitStack,
    directory: Path,
    serving: Serving,
    certificate: ServerCertificate | None,
    recorder: Recorder | None,
) -> tuple[TokenServer, str]:
    """A running token server and the URL at which clients find it."""
    same_origin = None if serving.realm_apart else recorder
    tokens = TokenServer(
        directory,
        address=serving.address,
        tls=None if same_origin else certificate,
        accounts=serving.accounts,
    )
    stack.enter_context(tokens)
    if same_origin is None:
        return tokens, tokens.realm
    same_origin.route(TOKEN_PATH, tokens.host)
    return tokens, f"{same_origin.scheme}://{same_origin.host}{TOKEN_PATH}"


def _distribution_config(endpoint: Endpoint, *, descriptor_cache: bool) -> Fields:
    # A fixed secret: with a random one, open uploads die when the registry restarts.
    http: Fields = {"addr": endpoint.host, "secret": "fixed for restarts"}
    if endpoint.certificate is not None:
        certificate, key = endpoint.certificate
        http["tls"] = {"certificate": str(certificate), "key": str(key)}
    storage: Fields = {
        "filesystem": {"rootdirectory": str(endpoint.root)},
        "delete": {"enabled": True},
    }
    if descriptor_cache:
        storage["cache"] = {"blobdescriptor": "inmemory"}
    config: Fields = {"version": "0.1", "log": {"level": "warn"}, "storage": storage, "http": http}
    if endpoint.htpasswd is not None:
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(endpoint.htpasswd)}}
    if endpoint.realm is not None:
        config["auth"] = {
            "token": {
                "realm": endpoint.realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(endpoint.token_signer),
            }
        }
    return config


def _zot_config(endpoint: Endpoint, *, docker: bool) -> Fields:
    address, _, port = endpoint.host.rpartition(":")
    http: Fields = {"address": address, "port": port}
    if docker:
        http["compat"] = ["docker2s2"]
    if endpoint.certificate is not None:
        certificate, key = endpoint.certificate
        http["tls"] = {"cert": str(certificate), "key": str(key)}
    if endpoint.htpasswd is not None:
        http["auth"] = {"htpasswd": {"path": str(endpoint.htpasswd)}}
    log = {"level": "warn", "output": str(endpoint.log)}
    return {"storage": {"rootDirectory": str(endpoint.root)}, "http": http, "log": log}
