"""What code and documents refer to is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_sync.cli.main import cli

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
FAULTS = (ROOT / "tests" / "hostile" / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "image_sync").rglob("*.py"))


def prose(file: Path) -> str:
    """A module's text with its comments' line breaks folded."""
    return re.sub(r"\s*\n\s*(# ?)?", " ", file.read_text(encoding="utf-8"))


def cited_sections() -> Iterator[tuple[str, str]]:
    """Sections of the design page that modules name as the source of something."""
    for file in SOURCES:
        for title in re.findall(r"docs/design\.md, section \"?([A-Z][a-z ]+[a-z])", prose(file)):
            yield str(file.relative_to(ROOT)), title


def test_every_section_of_the_design_that_code_cites_exists() -> None:
    """A source that is not there is worth nothing."""
    sections = re.findall(r"^## (.*)$", DESIGN, re.MULTILINE)
    missing = [(file, title) for file, title in cited_sections() if title not in sections]
    assert missing == []


def test_every_fault_row_that_code_cites_exists() -> None:
    """The table is in tests/hostile/README.md."""
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", FAULTS, re.MULTILINE)}
    assert rows
    for file in SOURCES:
        for numbers in re.findall(r"fault rows? ([\d, and]+)", prose(file)):
            cited = {int(number) for number in re.findall(r"\d+", numbers)}
            assert cited <= rows, f"{file}: {cited - rows}"


OPTIONS = sorted(
    {
        option
        for verb in cli.commands.values()
        for parameter in verb.params
        for option in parameter.opts
        if option.startswith("--")
    }
)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_documented(option: str) -> None:
    """The README names it."""
    assert f"`{option}" in README or f" {option}" in README


def test_every_link_leads_somewhere() -> None:
    """Files that the README and the documents link are in the repository."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
