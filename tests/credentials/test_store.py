"""Which credential a repository gets."""

import os
from pathlib import Path

import pytest

from image_sync.credentials import Credential, FileProblem
from image_sync.credentials.helper import HelperFailed, ask_helper
from image_sync.events import CredentialsFound, Warned
from tests.credentials.dockerfiles import (
    CANARY,
    Watched,
    answering,
    asked,
    auth,
    helper,
    write,
)

pytestmark = pytest.mark.anyio


async def test_the_first_file_with_a_match_wins(tmp_path: Path) -> None:
    """The host's own, the configured ones, $DOCKER_CONFIG, $REGISTRY_AUTH_FILE, ~/.docker."""
    places = {
        "own": tmp_path / "own.json",
        "first": tmp_path / "first.json",
        "second": tmp_path / "second.json",
        "docker": tmp_path / "docker" / "config.json",
        "registry": tmp_path / "auth.json",
        "home": tmp_path / ".docker" / "config.json",
    }
    environ = {
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "REGISTRY_AUTH_FILE": str(places["registry"]),
        "HOME": str(tmp_path),
    }
    for name, path in places.items():
        write(path, auths={"h.example": auth(name, "pw")})
    watched = Watched(
        str(places["first"]),
        str(places["second"]),
        host_files={"h.example": str(places["own"])},
        environ=environ,
    )
    found = []
    for path in places.values():
        found.append(await watched.user("h.example"))
        write(path, auths={})
    assert found == list(places)
    assert await watched.user("h.example") is None


async def test_a_hosts_own_file_serves_that_host_only(tmp_path: Path) -> None:
    """Other hosts do not even look there."""
    path = write(tmp_path / "own.json", auths={"h.example": auth("me", "pw"), "o": auth("o", "pw")})
    watched = Watched(host_files={"h.example": path})
    assert await watched.user("h.example") == "me"
    assert await watched.user("o") is None


async def test_kubernetes_calls_the_file_by_another_name(tmp_path: Path) -> None:
    """A mounted Secret of type kubernetes.io/dockerconfigjson works as it is."""
    write(tmp_path / ".dockerconfigjson", auths={"h.example": auth("me", "pw")})
    assert await Watched(environ={"DOCKER_CONFIG": str(tmp_path)}).user("h.example") == "me"


async def test_the_longest_key_wins(tmp_path: Path) -> None:
    """A team's robot account before the company's."""
    path = write(
        tmp_path / "c.json",
        auths={
            "h.example": auth("host", "pw"),
            "h.example/team/app": auth("app", "pw"),
            "h.example/team": auth("team", "pw"),
        },
    )
    watched = Watched(path)
    assert await watched.user("h.example", "team/app/x") == "app"
    assert await watched.user("h.example", "team/other") == "team"
    assert await watched.user("h.example", "teamwork") == "host"
    assert await watched.user("other.example", "team") is None


async def test_docker_hub_is_found_under_its_old_name(tmp_path: Path) -> None:
    """`docker login` writes https://index.docker.io/v1/."""
    path = write(tmp_path / "c.json", auths={"https://index.docker.io/v1/": auth("me", "pw")})
    assert await Watched(path).user("docker.io", "library/nginx") == "me"


async def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A rotated Secret needs no restart (fault row 77)."""
    path = tmp_path / "c.json"
    watched = Watched(write(path, auths={"h.example": auth("old", "pw")}))
    assert await watched.user("h.example") == "old"
    write(tmp_path / "new", auths={"h.example": auth("new", "pw")})
    (tmp_path / "new").replace(path)
    assert await watched.user("h.example") == "new"


async def test_a_refresh_reads_even_what_looks_unchanged(tmp_path: Path) -> None:
    """Same size, same time, same inode; and the caller can tell whether something changed."""
    path = tmp_path / "c.json"
    watched = Watched(write(path, auths={"h.example": auth("aaa", "pw")}))
    before = path.stat()
    first = await watched.store.find("h.example", "x")
    assert await watched.store.refresh("h.example", "x") == first
    write(path, auths={"h.example": auth("bbb", "pw")})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await watched.store.find("h.example", "x") == first
    assert await watched.store.refresh("h.example", "x") == Credential("bbb", "pw")


async def test_a_file_that_breaks_keeps_its_last_good_content(tmp_path: Path) -> None:
    """And that is said once."""
    path = tmp_path / "c.json"
    watched = Watched(write(path, auths={"h.example": auth("me", "pw")}))
    await watched.user("h.example")
    path.write_text("{")
    for _ in range(2):
        assert await watched.user("h.example") == "me"
    warnings = [event for event in watched.events if isinstance(event, Warned)]
    assert len(warnings) == 1
    assert str(path) in warnings[0].message


async def test_it_is_told_once_which_file_served_which_host(tmp_path: Path) -> None:
    """Without the user's name."""
    path = write(tmp_path / "c.json", auths={"h.example": auth(CANARY, CANARY)})
    watched = Watched(path)
    for repository in ("a", "b", "a"):
        await watched.user("h.example", repository)
    assert watched.events == [CredentialsFound("h.example", path)]


async def test_a_helper_is_asked_as_docker_asks_it(tmp_path: Path) -> None:
    """The server's name on stdin, once for many images; Docker Hub by its old name."""
    path = helper(tmp_path / "bin", "fake", answering("me", "pw"))
    config = write(
        tmp_path / "c.json",
        credHelpers={"h.example": "fake", "docker.io": "fake"},
        auths={"h.example": {}},
    )
    watched = Watched(config, environ={"PATH": path})
    for _ in range(3):
        assert await watched.store.find("h.example", "a") == Credential("me", "pw")
        assert await watched.store.find("docker.io", "library/a") == Credential("me", "pw")
    assert asked(tmp_path / "bin", "fake") == [
        "get h.example",
        "get https://index.docker.io/v1/",
    ]
    assert watched.events[0] == CredentialsFound("h.example", f"{config} (docker-credential-fake)")


async def test_the_store_answers_for_what_no_key_covers(tmp_path: Path) -> None:
    """`credsStore` comes last in its file; `auths` and `credHelpers` before it."""
    path = helper(tmp_path / "bin", "store", answering("store", "pw"))
    config = write(
        tmp_path / "c.json", credsStore="store", auths={"h.example": auth("file", "pw"), "e": {}}
    )
    watched = Watched(config, environ={"PATH": path})
    assert await watched.user("h.example") == "file"
    assert await watched.user("e") == "store"


async def test_an_identity_token_of_a_helper_is_one(tmp_path: Path) -> None:
    """The user name `<token>` says so."""
    path = helper(tmp_path / "bin", "fake", answering("<token>", "tok"))
    config = write(tmp_path / "c.json", credsStore="fake")
    found = await Watched(config, environ={"PATH": path}).store.find("h.example", "a")
    assert found == Credential("", "", "tok")


async def test_a_helper_without_credentials_is_no_error(tmp_path: Path) -> None:
    """The next file is asked."""
    script = "echo 'credentials not found in native keychain'; exit 1"
    path = helper(tmp_path / "bin", "fake", script)
    first = write(tmp_path / "1.json", credsStore="fake")
    second = write(tmp_path / "2.json", auths={"h.example": auth("me", "pw")})
    watched = Watched(first, second, environ={"PATH": path})
    assert await watched.user("h.example") == "me"
    assert not any(isinstance(event, Warned) for event in watched.events)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(f"echo {CANARY} >&2; exit 3", "exit code 3", id="fails"),
        pytest.param(f"echo '{CANARY}'", "not the JSON", id="no-json"),
        pytest.param(f'echo \'{{"Secret": "{CANARY}"}}\'', "not the JSON", id="no-user"),
        pytest.param(
            f'echo \'{{"Username": 1, "Secret": "{CANARY}"}}\'', "not the JSON", id="type"
        ),
        pytest.param(f"echo '[\"{CANARY}\"]'", "not the JSON", id="list"),
        pytest.param(
            f'printf \'%s\' \'{{"Username": "me", "Secret": "{CANARY}\\ud800"}}\'',
            "not Unicode",
            id="half-a-character",
        ),
        pytest.param(f"kill -9 $$ # {CANARY}", "exit code -9", id="killed"),
    ],
)
async def test_a_failing_helper_is_said_once_and_passed_over(
    tmp_path: Path, script: str, words: str
) -> None:
    """What it printed is not shown: it could be a secret."""
    path = helper(tmp_path / "bin", "fake", script)
    config = write(tmp_path / "c.json", credsStore="fake")
    watched = Watched(config, environ={"PATH": path})
    for _ in range(2):
        assert await watched.user("h.example") is None
    (warning,) = watched.events
    assert isinstance(warning, Warned)
    assert words in warning.message
    assert CANARY not in repr(watched.events)


async def test_a_helper_that_hangs_is_ended(tmp_path: Path) -> None:
    """With what it started."""
    path = helper(tmp_path / "bin", "fake", "sleep 1000")
    with pytest.raises(HelperFailed, match="no answer within"):
        await ask_helper("fake", "h.example", {"PATH": path}, deadline=0.2)


async def test_a_missing_helper_is_said(tmp_path: Path) -> None:
    """At run time once, at start by `problems`."""
    config = write(tmp_path / "c.json", credHelpers={"h.example": "none"})
    watched = Watched(config, environ={"PATH": "/usr/bin"})
    assert await watched.user("h.example") is None
    assert "no such program" in repr(watched.events)
    (problem,) = watched.store.problems()
    assert "docker-credential-none" in problem.message


async def test_a_helper_is_found_on_absolute_folders_only(tmp_path: Path) -> None:
    """Where the process happens to stand must not decide what runs."""
    helper(tmp_path / "bin", "fake", answering("me", "pw"))
    config = write(tmp_path / "c.json", credsStore="fake")
    relative = "../" * 20 + str(tmp_path / "bin").lstrip("/")
    watched = Watched(config, environ={"PATH": f":{relative}:."})
    assert await watched.user("h.example") is None
    assert len(watched.store.problems()) == 1


def problems(watched: Watched) -> tuple[FileProblem, ...]:
    return watched.store.problems()


async def test_what_the_configuration_names_must_be_good(tmp_path: Path) -> None:
    """Each file with what is wrong, as something that ends the start."""
    missing = str(tmp_path / "missing.json")
    torn = write(tmp_path / "torn.json")
    (tmp_path / "torn.json").write_text("{")
    folder = str(tmp_path)
    good = write(tmp_path / "good.json", auths={"h.example": auth("me", "pw")})
    found = problems(Watched(missing, torn, good, host_files={"h.example": folder}))
    assert [(path, configured) for path, _, configured in found] == [
        (folder, True),
        (missing, True),
        (torn, True),
    ]
    for problem, words in zip(found, ("not a file", "no such file", "not JSON"), strict=True):
        assert words in problem.message


async def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    """A loop of links stands for what root may not read, either."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    ((path, message, _),) = problems(Watched(str(loop)))
    assert path == str(loop)
    assert "cannot be read" in message


async def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    """Nor does a device."""
    os.mkfifo(tmp_path / "fifo")
    assert "not a file" in problems(Watched(str(tmp_path / "fifo")))[0][1]
    assert "not a file" in problems(Watched("/dev/zero"))[0][1]


async def test_default_files_may_be_missing_but_not_those_that_variables_name(
    tmp_path: Path,
) -> None:
    """A warning, because Kubernetes' silent anonymous pulls cost hours; never the end."""
    assert problems(Watched(environ={"HOME": str(tmp_path)})) == ()
    environ = {"DOCKER_CONFIG": str(tmp_path / "d"), "REGISTRY_AUTH_FILE": str(tmp_path / "r")}
    found = problems(Watched(environ=environ))
    assert [(path, configured) for path, _, configured in found] == [
        (str(tmp_path / "d" / "config.json"), False),
        (str(tmp_path / "r"), False),
    ]
    write(tmp_path / ".docker" / "config.json")
    (tmp_path / ".docker" / "config.json").write_text("nonsense")
    assert len(problems(Watched(environ={"HOME": str(tmp_path)}))) == 1
