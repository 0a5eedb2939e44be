"""Which tools are fit to be used, and what is said of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.engines.versions import parse_version, spell
from image_sync.errors import ErrorKind
from image_sync.events import Warned
from tests.engines.fake import NAMES, FakeTool
from tests.engines.support import Setup, request

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("v0.22.1\n", (0, 22, 1)),
        ("0.14.0", (0, 14, 0)),
        ("v0.21.10-0.20260601010101-abcdef123456", (0, 21, 10)),
        ("0.20.2+ds1", (0, 20, 2)),
        ("skopeo version 1.9.3", (1, 9, 3)),
        ("skopeo version 1.22.0-dev commit: 3f1a", (1, 22, 0)),
        ("(devel)", None),
        ("", None),
        ("1.9", None),
    ],
)
def test_versions_are_read_as_the_tools_print_them(
    output: str, version: tuple[int, int, int] | None
) -> None:
    """Release, pre-release, distribution and home-made builds."""
    assert parse_version(output) == version


@given(st.text())
def test_any_text_is_a_version_or_none(output: str) -> None:
    """What a program prints never raises."""
    version = parse_version(output)
    assert version is None or parse_version(spell(version)) == version


def echo(version: str) -> str:
    return f"echo '{version}'"


FIT = [("crane", "v0.21.9"), ("crane", "v0.22.1"), ("skopeo", "skopeo version 1.16.0")]
OLD = [
    ("crane", "0.20.2", "0.20.2"),
    ("crane", "0.21.8", "0.21.8"),
    ("crane", "(devel)", "unknown version"),
    ("skopeo", "skopeo version 1.9.3", "1.9.3"),
]


@pytest.mark.parametrize(("name", "version"), FIT)
async def test_a_fit_version_is_used_without_a_word(setup: Setup, name: str, version: str) -> None:
    """From its safe version on, named or not."""
    FakeTool(setup, name).install("exit 0", version=echo(version))
    assert await setup.engine(name, named=False).refusal(request()) is None
    assert setup.events == []


@pytest.mark.parametrize(("name", "version", "spelt"), OLD)
async def test_an_old_version_is_used_only_if_it_is_named(
    setup: Setup, name: str, version: str, spelt: str
) -> None:
    """Otherwise it is refused, with the way out; named, it is used with one warning."""
    FakeTool(setup, name).install("exit 0", version=echo(version))
    refusal = await setup.engine(name, named=False).refusal(request())
    assert refusal is not None
    assert refusal.kind is ErrorKind.TOOL
    assert spelt in refusal.why
    assert "update it" in refusal.why
    assert "install" in refusal.why
    assert f"set settings.preferred_tool: {name} to use it all the same" in refusal.why
    named = setup.engine(name, named=True)
    for _ in range(3):
        assert await named.refusal(request()) is None
    (warning,) = setup.events
    assert isinstance(warning, Warned)
    assert warning.subject == "engine"
    assert spelt in warning.message
    assert "used because settings.preferred_tool names it; update it" in warning.message


@pytest.mark.parametrize("version", ["v0.21.6", "0.21.7"])
async def test_a_version_that_hangs_is_never_used(setup: Setup, version: str) -> None:
    """Not even if it is named."""
    FakeTool(setup, "crane").install("exit 0", version=echo(version))
    refusal = await setup.engine("crane", named=True).refusal(request())
    assert refusal is not None
    assert "hangs" in refusal.why


@pytest.mark.parametrize("name", NAMES)
async def test_a_missing_tool_says_how_to_get_it(setup: Setup, name: str) -> None:
    """An operator without the tool learns what to do (fault row 68)."""
    refusal = await setup.engine(name).refusal(request())
    assert refusal is not None
    assert refusal.kind is ErrorKind.TOOL
    assert "install" in refusal.why


@pytest.mark.parametrize("name", NAMES)
async def test_a_tool_in_the_working_directory_is_not_one_on_the_path(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It would be given accounts because of a dot on PATH."""
    FakeTool(setup, name).install("exit 0")
    monkeypatch.chdir(setup.bin)
    setup.environ["PATH"] = ".:"
    refusal = await setup.engine(name).refusal(request())
    assert refusal is not None
    assert "not installed" in refusal.why
    setup.environ["PATH"] = f".:{setup.bin}"
    assert await setup.engine(name).refusal(request()) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content", [b"\x7fELF" + b"\x00" * 60, b"#!/no/such/shell\n", b"#!/bin/sh\nexit 9\n"]
)
async def test_a_broken_tool_is_told_from_a_missing_one(
    setup: Setup, name: str, content: bytes
) -> None:
    """A foreign machine's program, one without its interpreter, one that fails (fault row 68)."""
    (setup.bin / name).write_bytes(content)
    (setup.bin / name).chmod(0o755)
    refusal = await setup.engine(name).refusal(request())
    assert refusal is not None
    assert "does not run" in refusal.why


@pytest.mark.parametrize("name", NAMES)
async def test_a_tool_is_asked_once_until_it_is_replaced(setup: Setup, name: str) -> None:
    """A version is a fact about a file, so a thousand images cost one question."""
    tool = FakeTool(setup, name)
    tool.install("exit 0")
    engine = setup.engine(name, named=False)
    for _ in range(5):
        assert await engine.refusal(request()) is None
    assert len(tool.lines("probes")) == 1
    tool.install("exit 0", version=echo("0.1.0"))
    assert await engine.refusal(request()) is not None
    assert len(tool.lines("probes")) == 2
