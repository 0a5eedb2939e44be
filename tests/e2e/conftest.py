"""A source that no tool takes for local, and image-sync set up for it and the cache."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e import fake_tools
from tests.e2e.program import Program
from tests.real import images
from tests.real.accounts import OPERATOR
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import SKOPEOS, bin_directory

# crane speaks plain HTTP to 127.0.0.1 whether told to or not, so that a source there is refused.
SOURCE_ADDRESS = "127.0.0.3"

# The engines and their versions, and what each is called in the configuration.
ENGINES = {"crane": "crane", **dict.fromkeys(SKOPEOS, "skopeo"), "builtin": "builtin"}


@pytest.fixture
def source(tmp_path: Path, authority: Authority) -> Iterator[RunningRegistry]:
    """Distribution 3 on 127.0.0.3 with TLS, htpasswd (OPERATOR) and a recorder."""
    serving = Serving(
        address=SOURCE_ADDRESS, authority=authority, accounts=(OPERATOR,), record=True
    )
    with distribution(tmp_path / "source", serving) as registry:
        yield registry


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine and version in turn."""
    name: str = request.param
    return name


@pytest.fixture
def program(
    tmp_path: Path, engine: str, source: RunningRegistry, cache: RunningRegistry
) -> Program:
    """image-sync that copies with one engine, trusts the source and has an account there."""
    name = ENGINES[engine]
    tools = {} if engine == "builtin" else {name: engine}
    return set_up(tmp_path, source, cache, bin_directory(tmp_path / "bin", tools), name)


@pytest.fixture
def crane_program(tmp_path: Path, source: RunningRegistry, cache: RunningRegistry) -> Program:
    """The same with crane alone, where the tool makes no difference."""
    path = bin_directory(tmp_path / "bin", {"crane": "crane"})
    return set_up(tmp_path, source, cache, path, "crane")


def set_up(
    directory: Path, source: RunningRegistry, cache: RunningRegistry, path: Path, preferred: str
) -> Program:
    """image-sync for a source and a cache, with the tools of a folder."""
    program = Program(directory / "image-sync", cache.host, path)
    program.settings["preferred_tool"] = preferred
    program.trust(source)
    program.log_in({source.host: OPERATOR})
    return program


class StandIn(NamedTuple):
    """image-sync set up with a crane that is none, and one image to copy.

    Attributes:
        folder: Where the stand-in is, and leaves a file for each start.
    """

    program: Program
    folder: Path


@pytest.fixture
def stand_in(
    tmp_path: Path, source: RunningRegistry, cache: RunningRegistry, programs: dict[str, bytes]
) -> Callable[..., StandIn]:
    """Sets image-sync up for `team/app:1` with a crane that behaves as told."""

    def prepare(behaviour: str, version: str = "v0.22.1") -> StandIn:
        source.push("team/app", "1", images.single(programs))
        folder = fake_tools.write_crane(tmp_path / "bin", behaviour, version)
        program = set_up(tmp_path, source, cache, folder, "crane")
        program.add(source, "team/app", "1")
        return StandIn(program, folder)

    return prepare
