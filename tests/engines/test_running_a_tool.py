"""Whatever a tool does, the engine ends in time, tells the truth and leaves nothing behind."""

import anyio
import pytest

from image_sync.credentials import Credential
from image_sync.engines import CopyRequest, Engine
from image_sync.errors import EngineError, ErrorKind
from image_sync.model import HostPolicy
from tests.engines.fake import NAMES, FakeTool
from tests.engines.support import BRISK, Setup, Watch, request
from tests.runtime.test_process import alive, appears

pytestmark = pytest.mark.anyio

SECRET = "p4ss/w:rd+canary"
TOKEN = "idtoken-canary-0123456789"


@pytest.fixture(params=NAMES)
def tool(request: pytest.FixtureRequest, setup: Setup) -> FakeTool:
    return FakeTool(setup, request.param)


async def failure_of(engine: Engine, asked: CopyRequest) -> EngineError:
    with pytest.raises(EngineError) as failure:
        await engine.copy(asked, Watch())
    return failure.value


async def test_a_tool_that_ends_well_is_believed_for_now(tool: FakeTool) -> None:
    """Exit code 0 is a copy, also when nothing was copied: the caller reads back (fault row 66)."""
    tool.install("exit 0")
    copied = await tool.setup.engine(tool.name).copy(request(), Watch())
    assert copied.bytes_reused is None
    assert tool.setup.left_behind() == []


async def test_a_hanging_tool_is_ended_with_its_group(tool: FakeTool) -> None:
    """One that ignores SIGTERM, with a child of its own, is gone after the deadline and the grace
    (fault rows 63 and 64)."""
    tool.install(
        "trap '' TERM; sleep 600 & echo $! $$ > $note/pids; echo 'retrying in 1 s' >&2; "
        "while :; do wait; done"
    )
    error = await failure_of(tool.setup.engine(tool.name), request(deadline=1.5))
    assert (error.kind, error.progressed) == (ErrorKind.TIMEOUT, False)
    assert str(error) == (f"{tool.name}: was ended after 1.5 s, without progress: retrying in 1 s")
    assert not [pid for pid in map(int, tool.note("pids").split()) if alive(pid)]
    assert tool.setup.left_behind() == []


async def test_a_stalled_tool_is_ended_before_its_deadline(tool: FakeTool) -> None:
    """A tool that moves no byte is a time-out of its own kind."""
    tool.install("exec sleep 600")
    engine = tool.setup.engine(tool.name, limits=BRISK._replace(stall=0.3))
    error = await failure_of(engine, request(deadline=600))
    assert (error.kind, error.progressed) == (ErrorKind.TIMEOUT, False)
    assert "no byte" in error.message


async def test_a_slow_tool_is_told_from_a_hanging_one(tool: FakeTool) -> None:
    """A deadline that strikes while bytes move says so: another engine may be faster."""
    tool.install("exec dd if=/dev/zero of=/dev/null bs=64k")
    seen: list[int] = []
    with pytest.raises(EngineError) as failure:
        await tool.setup.engine(tool.name).copy(request(deadline=1.5), Watch(seen))
    assert (failure.value.kind, failure.value.progressed) == (ErrorKind.TIMEOUT, True)
    assert seen


async def test_a_cancelled_copy_leaves_no_process_and_no_file(tool: FakeTool) -> None:
    """Shutdown ends the tool, reaps it, and removes the accounts it was given."""
    tool.install("trap '' TERM; echo $$ > $note/pid; while :; do sleep 600 & wait; done")
    noted = tool.setup.bin.parent / "notes" / "pid"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tool.setup.engine(tool.name).copy, request(), Watch())
        await appears(noted)
        tasks.cancel_scope.cancel()
    assert not alive(int(tool.note("pid")))
    assert tool.setup.left_behind() == []


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        pytest.param("exit 3", 3, "failed with exit code 3: it printed nothing", id="silent"),
        pytest.param(
            "echo first >&2; echo last >&2; kill -9 $$",
            -9,
            "was ended by SIGKILL (out of memory?): first | last",
            id="killed",
        ),
        pytest.param("kill -11 $$", -11, "was ended by SIGSEGV: it printed nothing", id="crashed"),
        pytest.param(
            "exit 137", 137, "failed with exit code 137: it printed nothing", id="behind-a-shell"
        ),
        pytest.param(
            "echo 'panic: runtime error: x' >&2; exit 2",
            2,
            "failed with exit code 2: panic: runtime error: x",
            id="panicked",
        ),
        pytest.param(
            "echo 'something new' >&2; exit 1",
            1,
            "failed with exit code 1: something new",
            id="unknown-words",
        ),
    ],
)
async def test_a_failure_of_the_tool_itself(
    tool: FakeTool, body: str, code: int, words: str
) -> None:
    """Crashes, signals and unknown words are the tool's own (fault row 65), and the one line that
    people see says how it ended and what it said last."""
    tool.install(body)
    error = await failure_of(tool.setup.engine(tool.name), request())
    assert (error.kind, error.exit_code, error.engine) == (ErrorKind.TOOL, code, tool.name)
    assert str(error) == f"{tool.name}: {words}"
    assert error.argv[0] == str(tool.setup.bin / tool.name)


async def test_a_failure_at_a_registry_names_the_side(tool: FakeTool) -> None:
    """The line begins with whose registry it was, where the tool's words tell."""
    said = "GET https://source.example/v2/: DENIED: no"
    tool.install(f"echo 'Error: {said}' >&2; exit 1")
    error = await failure_of(tool.setup.engine(tool.name), request())
    assert str(error) == f"source: {tool.name}: failed with exit code 1: {said}"


async def test_hostile_output_is_bounded_and_harmless(tool: FakeTool) -> None:
    """100 MB without a newline, colours, bells and broken UTF-8 end up as a few plain characters
    (fault row 67)."""
    tool.install(
        "printf '\\033[31mred\\007 \\377\\n' >&2; head -c 100000000 /dev/zero | tr '\\0' x >&2; "
        "printf '\\n\\033]0;title\\007 last words\\r\\n' >&2; exit 1"
    )
    error = await failure_of(tool.setup.engine(tool.name), request())
    for text in (str(error), error.stderr_tail):
        assert text.isprintable()
        assert len(text) < 3000
        assert "last words" in text


LEAKS = {
    "secret": SECRET,
    "token": TOKEN,
    "quoted": "p4ss%2Fw%3Ard%2Bcanary",
    "basic": "Authorization: Basic bWU6cDRzcy93OnJkK2NhbmFyeQ==",
    "bare-basic": "bWU6cDRzcy93OnJkK2NhbmFyeQ",
    "header": "> authorization: Bearer abcdefgh-canary",
    "bearer": "sent Bearer abcdefgh-canary.x",
    "state": 'Patch "http://c/v2/x/blobs/uploads/1?_state=canary-state": EOF',
    "path": "PATCH /v2/x/blobs/uploads/1?digest=1&_state=canary-state failed",
    "signature": "Get https://cdn.example/x?X-Amz-Signature=canary&y=1: 403",
    "userinfo": "proxyconnect https://user:canary@proxy.example:3128",
    "jwt": "token eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJl bad",
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
async def test_no_secret_is_in_an_error(tool: FakeTool, leak: str) -> None:
    """What a tool prints of credentials, upload tokens and signed URLs does not get further."""
    setup = tool.setup
    setup.accounts["source.example"] = Credential("me", SECRET, TOKEN)
    tool.install(f"cat >&2 <<'E'\nbefore {leak}\nError: {leak}\nE\nexit 1")
    error = await failure_of(setup.engine(tool.name), request())
    shown = " ".join([str(error), error.stderr_tail, *error.argv, repr(error)])
    for canary in ("canary", "p4ss", "bWU6cDRz", "eyJj", TOKEN):
        assert canary not in shown
    assert "redacted" in shown


async def test_accounts_are_in_private_files_and_nowhere_else(tool: FakeTool) -> None:
    """Neither argv nor environment carries a secret; files are the owner's alone, and gone."""
    setup = tool.setup
    setup.accounts["source.example"] = Credential("me", SECRET, TOKEN)
    setup.accounts["cache.example:5000"] = Credential("other", "second-canary")
    setup.accounts["third.example"] = Credential("third", "third-canary")
    setup.environ["UNRELATED_TOKEN"] = "inherited-canary"
    tool.install("exit 0", record=True)
    await setup.engine(tool.name).copy(request(), Watch())
    for place in ("argv", "cmdline", "environ"):
        assert "canary" not in tool.note(place)
        assert "bWU6cDRz" not in tool.note(place)
    assert {line.split()[0] for line in tool.lines("files")} == {"700", "600"}
    written = tool.files("*.json")
    assert "bWU6cDRzcy93OnJkK2NhbmFyeQ==" in written
    assert "third" not in written
    assert setup.left_behind() == []


@pytest.mark.parametrize("deadline", [0.9, 300.0])
async def test_the_environment_is_built(tool: FakeTool, deadline: float) -> None:
    """A tool sees a fixed PATH, an empty home, bounds on memory and threads, and no proxy."""
    tool.install("ls -A $HOME . > $note/home; exit 0", record=True)
    tool.setup.environ |= {
        "HTTPS_PROXY": "http://not.ours:1",
        "HOME": "/root",
        "SSL_CERT_FILE": "/ca",
    }
    await tool.setup.engine(tool.name).copy(request(deadline=deadline + 10), Watch())
    seen = dict(line.split("=", 1) for line in tool.lines("environ"))
    assert seen["PATH"] == "/usr/bin:/bin"
    assert seen["HOME"].startswith(str(tool.setup.folder))
    assert seen["GOMEMLIMIT"]
    assert seen["GOMAXPROCS"]
    assert seen["SSL_CERT_FILE"] == "/ca"
    assert not [name for name in seen if "proxy" in name.lower()]
    assert tool.note("cwd").startswith(str(tool.setup.folder))
    listed = [line for line in tool.lines("home") if line and not line.endswith(":")]
    assert listed == []


async def test_a_proxy_is_the_sources_and_never_the_caches(tool: FakeTool) -> None:
    """The source's own proxy wins over the general one; the cache is reached directly (row 60)."""
    tool.install("exit 0", record=True)
    tool.setup.source_proxy = "http://general.example:3128"
    tool.setup.policies["source.example"] = HostPolicy(proxy="http://own.example:3128")
    await tool.setup.engine(tool.name).copy(request(), Watch())
    seen = dict(line.split("=", 1) for line in tool.lines("environ"))
    assert seen["HTTPS_PROXY"] == seen["HTTP_PROXY"] == "http://own.example:3128"
    assert seen["NO_PROXY"] == "cache.example:5000,127.0.0.1"


async def test_a_full_or_missing_folder_is_an_engine_error(tool: FakeTool) -> None:
    """Trouble with the local disk is told, not raised as something foreign (fault row 69)."""
    tool.install("exit 0")
    tool.setup.folder.rmdir()
    error = await failure_of(tool.setup.engine(tool.name), request())
    assert error.kind is ErrorKind.TOOL
    assert "private folder" in error.message
