"""Every block of the README and the guides is run, validated, or says why it cannot be."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import kubernetes_validate  # type: ignore[import-untyped]  # it has no annotations
import pytest
import yaml

from image_sync import config
from image_sync.cli.main import cli
from image_sync.errors import ConfigError
from tests.docs.pages import PAGES, Block, blocks, words
from tests.docs.shown import agrees
from tests.docs.sources import push_all
from tests.docs.stage import Stage
from tests.real.registries import distribution

ALL = [block for page in PAGES for block in blocks(page)]
KINDS = {"console", "yaml", "json", "toml"}
STARTED = [page for page in PAGES if any(b.language == "console" for b in blocks(page))]
TOOLS = {
    "air-gap.md": ("skopeo",),
    "cronjob.md": ("kustomize",),
    "kubernetes-with-zot.md": ("kustomize",),
}
"""Programs on PATH, by page; elsewhere image-sync copies by itself."""
NOT_RUN = [block for block in ALL if "not run" in block.marks]
BASE = {"cache_registry": "localhost:5000", "images": ["docker.io/library/nginx:1.27"]}
"""What a page need not say again where it shows a part of a configuration."""


def of(language: str) -> pytest.MarkDecorator:
    """The test once for each block of a kind."""
    found = [pytest.param(block, id=block.place) for block in ALL if block.language == language]
    return pytest.mark.parametrize("block", found)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, programs: dict[str, bytes]) -> Path:
    """The storage of a registry that has every image which pages name."""
    folder = tmp_path_factory.mktemp("sources")
    with distribution(folder) as registry:
        push_all(registry, programs)
        return registry.root


def test_pages_have_blocks_and_each_is_of_a_kind_that_is_checked() -> None:
    """A block of any other kind would be nobody's."""
    assert ALL
    assert {block.place: block.language for block in ALL if block.language not in KINDS} == {}
    fences = sum(page.read_text("utf-8").count("```") for page in PAGES)
    assert fences == 2 * len(ALL)


@of("yaml")
def test_every_yaml_block_is_a_valid_configuration_or_object(block: Block, tmp_path: Path) -> None:
    """By the real loader; objects of Kubernetes by their schemas, kustomizations by running."""
    for document in yaml.safe_load_all(block.text):
        match document:
            case {"kind": "Kustomization"}:
                assert "file" in block.marks
            case {"apiVersion": _}:
                kubernetes_validate.validate(document, "1.31", strict=True)
            case _ if "wrong" in block.marks:
                with pytest.raises(ConfigError):
                    validate(document, block.text, tmp_path)
            case _:
                validate(document, block.text, tmp_path)


def validate(document: dict[str, object], text: str, folder: Path) -> None:
    """Load a configuration; a part of one is completed."""
    file = folder / "image-sync.yaml"
    missing = {key: value for key, value in BASE.items() if key not in document}
    file.write_text(f"{text}\n{yaml.safe_dump(missing) if missing else ''}", encoding="utf-8")
    for name in re.findall(r"_file: (\S+\.(?:pem|json))\b", text):
        (folder / name).write_text("{}", encoding="utf-8")
    assert config.resolve(config.load(str(file), environ={})).specs


@of("json")
def test_every_json_block_is_json(block: Block) -> None:
    """A reader can copy it."""
    json.loads(block.text)


@of("toml")
def test_every_toml_block_tells_a_node_where_to_pull(block: Block) -> None:
    """containerd's hosts.toml, or a file of podman's registries.conf.d."""
    document = tomllib.loads(block.text)
    if "host" in document:
        for mirror in document["host"].values():
            assert mirror["capabilities"] == ["pull", "resolve"]
    else:
        assert all({"location"} <= each.keys() for each in document["registry"])


@pytest.mark.parametrize("page", STARTED, ids=lambda page: page.name)
def test_the_commands_of_a_page_do_what_it_shows(page: Path, tmp_path: Path, images: Path) -> None:
    """In their order, on one machine, where the hosts that the page names are registries."""
    with Stage(tmp_path, images, TOOLS.get(page.name, ())) as stage:
        for block in blocks(page):
            if "file" in block.marks:
                file = stage.folder / block.marks["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
            elif block.language == "console" and "not run" not in block.marks:
                play(stage, block)


def play(stage: Stage, block: Block) -> None:
    """Run a block's commands, and compare what they print with what it shows."""
    commands, wanted = block.commands, int(block.marks.get("exit", 0))
    for command in commands:
        if "until" in block.marks and command == commands[-1]:
            said, code = stage.start(command.text, block.marks["until"]), wanted
        else:
            code, said = stage.run(command.text)
        printed = "\n".join(said)
        assert code == wanted, f"{block.place}: {command.text}\n{printed}"
        if command.output:
            shown = "\n".join(command.output)
            same = agrees(command.output, said, stage.home)
            assert same, f"{block.place}: {command.text}\n--- shown:\n{shown}\n--- is:\n{printed}"


@pytest.mark.parametrize("block", [pytest.param(block, id=block.place) for block in NOT_RUN])
def test_what_cannot_run_here_says_why_and_has_options_that_exist(block: Block) -> None:
    """Commands of image-sync are parsed; of others there is the reason."""
    assert block.language == "console"
    assert len(block.marks["not run"].split()) > 2
    for command in block.commands:
        name, *arguments = words(command.text)
        if name == "image-sync":
            parse(arguments)


def parse(arguments: list[str]) -> None:
    """Read arguments as the command line does, without doing anything.

    Raises:
        click.UsageError: They are wrong.
    """
    with cli.make_context("image-sync", list(arguments)) as context:
        name, verb, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
        assert verb is not None
        with verb.make_context(name, rest, parent=context):
            pass


def test_an_option_that_does_not_exist_is_found() -> None:
    """The check of what is not run is one."""
    parse(["--once", "--config", "x.yaml"])
    with pytest.raises(click.UsageError, match="--onec"):
        parse(["--onec"])


def lines(text: str) -> Iterator[str]:
    yield from text.split("|")


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        pytest.param("a|b", "a|b", True, id="equal"),
        pytest.param("a|b", "a|c", False, id="another line"),
        pytest.param("a", "a|b", False, id="a line more"),
        pytest.param("a|...|c", "a|x|y|c", True, id="lines left out"),
        pytest.param("a|...|c", "a|x|y", False, id="what follows those left out is missing"),
        pytest.param("in 0.3 s", "in 12 s", True, id="durations differ"),
        pytest.param("4.9 kB", "601 B", True, id="sizes differ"),
        pytest.param("2 pulled", "3 pulled", False, id="counts do not"),
        pytest.param("x  78217d0255f0  -", "x 0123456789ab -", True, id="digests differ"),
        pytest.param("x  pulled", "x  failed", False, id="words do not"),
        pytest.param("/home/me/x", "/tmp/stage/home/x", True, id="the home folder"),
    ],
)
def test_output_is_compared_without_what_differs_each_time(
    shown: str, said: str, *, same: bool
) -> None:
    """Digests, sizes, times, widths; and nothing else."""
    home = Path("/tmp/stage/home")
    assert agrees(tuple(lines(shown)), list(lines(said)), home) is same
