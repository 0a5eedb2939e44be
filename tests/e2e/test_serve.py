"""`image-sync serve`: the registry as a process of its own."""

import http.client
import os
import signal
import ssl
from pathlib import Path

import bcrypt
import pytest

from image_sync.embedded.store import opened
from image_sync.oci import Digest
from tests.e2e.background import Background, running
from tests.e2e.program import Program
from tests.e2e.test_bad_input import run
from tests.embedded.content import ONE, image, push
from tests.embedded.test_accounts import basic
from tests.real.tls import Authority

ANYWHERE = "127.0.0.1:0"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """image-sync without a configuration, and without tools."""
    return Program(tmp_path, "", tmp_path / "bin")


def address_of(registry: Background) -> str:
    """Where it is served, as its first line tells."""
    text = str(registry.expect("a registry over")["msg"])
    return text.partition("docker pull ")[2].partition("/NAME:TAG")[0]


def ask(
    address: str,
    method: str = "GET",
    path: str = "/v2/",
    account: str = "",
    context: ssl.SSLContext | None = None,
) -> int:
    """The status of an answer."""
    opening = http.client.HTTPSConnection(address, context=context) if context else None
    connection = opening or http.client.HTTPConnection(address)
    try:
        connection.request(method, path, headers={"Authorization": account} if account else {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_says_how_to_pull_serves_and_ends_in_order(program: Program, tmp_path: Path) -> None:
    """By SIGTERM, with exit 0, also with a request under way."""
    with running(program, "serve", "--root", "images", "--listen", ANYWHERE) as registry:
        line = registry.expect("a registry over")
        assert "a registry over images: docker pull 127.0.0.1:" in str(line["msg"])
        address = str(line["msg"]).partition("docker pull ")[2].partition("/")[0]
        assert ask(address) == 200
        assert ask(address, "POST", "/v2/a/blobs/uploads/") == 202
        ended = registry.finish(signal.SIGTERM)
    assert (ended.code, ended.stdout) == (0, "")
    assert "Traceback" not in ended.stderr
    assert list((tmp_path / "images" / "a" / ".uploads").iterdir()) == []


def test_images_are_where_a_user_keeps_data(program: Program, tmp_path: Path) -> None:
    """XDG_DATA_HOME, where no folder is named."""
    program.environment["XDG_DATA_HOME"] = str(tmp_path / "data")
    with running(program, "serve", "--listen", ANYWHERE) as registry:
        assert ask(address_of(registry)) == 200
        assert registry.finish(signal.SIGINT).code == 0
    assert (tmp_path / "data" / "image-sync" / "registry").is_dir()


def test_with_an_account_file_only_accounts_get_in(program: Program, tmp_path: Path) -> None:
    """And it may be served to other machines."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ann:{hashed}\n")
    arguments = ("--root", "images", "--listen", "0.0.0.0:0", "--auth-file", "htpasswd")
    with running(program, "serve", *arguments) as registry:
        port = address_of(registry).rpartition(":")[2]
        assert ask(f"127.0.0.1:{port}") == 401
        assert ask(f"127.0.0.1:{port}", account=basic("ann", "secret")) == 200
        assert registry.finish(signal.SIGTERM).code == 0


@pytest.mark.parametrize("more", [(), ("--read-only",)], ids=["pushes", "read-only"])
def test_who_says_so_serves_everybody(program: Program, more: tuple[str, ...]) -> None:
    """Read-only, nobody can change anything."""
    (program.directory / "images").mkdir()
    options = ("--insecure-public", *more)
    with running(program, "serve", "--root", "images", "--listen", ":0", *options) as registry:
        port = address_of(registry).rpartition(":")[2]
        status = ask(f"127.0.0.1:{port}", "POST", "/v2/a/blobs/uploads/")
        assert status == (405 if more else 202)


def test_it_is_served_over_tls(program: Program, authority: Authority) -> None:
    """With a certificate and its key."""
    issued = authority.issue()
    arguments = ("--tls-cert", str(issued.certificate), "--tls-key", str(issued.key))
    with running(
        program, "serve", "--root", "images", "--listen", ANYWHERE, *arguments
    ) as registry:
        assert ask(address_of(registry), context=authority.client_context()) == 200


def test_what_nothing_needs_is_removed_on_demand(tmp_path: Path) -> None:
    """And it is said what is free by that."""
    with opened(tmp_path / "images") as store:
        repository = store.ensure("a")
        push(repository, image(), "1", blobs=[ONE])
        os.utime(repository.blobs.path(Digest.of(ONE)), (1, 1))
    ended = run(tmp_path, "serve", "--gc", "--root", "images")
    assert (ended.code, ended.stdout) == (0, "removed 0 manifests and 1 files: 9 B freed\n")
    with opened(tmp_path / "images") as store:
        path = store.find("a").blobs.path(Digest.of(image()))
    path.write_bytes(b"{}")
    ended = run(tmp_path, "serve", "--gc", "--root", "images")
    assert "1 manifests cannot be read, so nothing was removed" in ended.stdout


def test_a_folder_that_is_served_is_left_alone(program: Program, tmp_path: Path) -> None:
    """It is said where."""
    with running(program, "serve", "--root", "images", "--listen", ANYWHERE) as registry:
        address = address_of(registry)
        for arguments in (["--gc"], ["--listen", ANYWHERE]):
            ended = run(tmp_path, "serve", "--root", "images", *arguments)
            assert ended.code == 2
            assert f"another image-sync serves the folder images at {address}" in ended.stderr
            assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        pytest.param(["--listen", "x"], ["--listen", "expected HOST:PORT"], id="no-address"),
        pytest.param(["--listen", "none"], ["--listen", "name HOST:PORT"], id="nowhere"),
        pytest.param(["--listen", "192.0.2.1:5050"], ["--auth-file"], id="public"),
        pytest.param(["--listen", ":5050"], ["--auth-file", "--insecure-public"], id="everywhere"),
        pytest.param(
            ["--listen", "192.0.2.1:0", "--insecure-public"],
            ["--listen", "cannot listen on 192.0.2.1:0"],
            id="not-of-this-machine",
        ),
        pytest.param(["--listen", ":5050", "--read-only"], ["--insecure-public"], id="to-read"),
        pytest.param(["--root", "absent", "--read-only"], ["--root", "absent"], id="nothing-there"),
        pytest.param(["--root", "absent", "--gc"], ["--root", "absent"], id="nothing-to-collect"),
        pytest.param(["--auth-file", "absent"], ["absent cannot be read"], id="no-file"),
        pytest.param(["--auth-file", "plain"], ["plain:2 is not", "htpasswd -B"], id="no-bcrypt"),
        pytest.param(["--root", "plain"], ["plain"], id="folder-is-a-file"),
        pytest.param(["--root", "plain/x"], ["plain"], id="folder-in-a-file"),
        pytest.param(["--root", "torn"], ["torn/a/index.json cannot be used"], id="torn"),
        pytest.param(["--tls-cert", "plain"], ["--tls-cert", "--tls-key, too"], id="half"),
        pytest.param(
            ["--tls-cert", "plain", "--tls-key", "plain"],
            ["--tls-cert", "plain: not a certificate in PEM"],
            id="no-certificate",
        ),
        pytest.param(["extra"], ["extra"], id="an-argument"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, arguments: list[str], texts: list[str]
) -> None:
    """With what to change; nothing is served, and no traceback is shown."""
    (tmp_path / "plain").write_text("# people\nann:secret\n")
    with opened(tmp_path / "torn") as store:
        store.ensure("a")
    (tmp_path / "torn" / "a" / "index.json").write_text("{")
    ended = run(tmp_path, "serve", "--listen", ANYWHERE, *arguments)
    assert ended.code == 2, ended
    assert "Traceback" not in ended.stderr
    assert "ann:secret" not in ended.stderr
    for text in texts:
        assert text in ended.stderr


def test_help_tells_every_option(tmp_path: Path) -> None:
    """On standard output, with exit 0."""
    ended = run(tmp_path, "serve", "--help")
    assert ended.code == 0
    options = ("--root", "--listen", "--auth-file", "--tls-cert", "--tls-key", "--read-only")
    for option in (*options, "--insecure-public", "--gc"):
        assert option in ended.stdout
