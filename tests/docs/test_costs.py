"""What a pass costs at the source is what the page on Docker Hub's limits says."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.e2e.program import Program
from tests.real import images
from tests.real.registries import distribution
from tests.real.running import Serving

PAGE = (ROOT / "docs" / "docker-hub-limits.md").read_text(encoding="utf-8")
TABLE = {
    name: (int(copied), int(heads), int(unchanged))
    for name, copied, heads, unchanged in re.findall(
        r"^\| ([^|]+) \| (\d+) \| (\d+) HEAD \| (\d+) \|$", PAGE, re.MULTILINE
    )
}
KINDS = {
    "one manifest": (images.single, "linux/amd64"),
    "an index, one platform of it": (images.multi_platform, "linux/amd64"),
    "an index, 2 platforms of it": (images.multi_platform, ["linux/amd64", "linux/arm64"]),
    "an index of 3 platforms, `platform: all`": (images.multi_platform, "all"),
}


def test_every_row_is_measured() -> None:
    """None is left to faith."""
    assert TABLE.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_costs_what_the_page_says(
    kind: str, tmp_path: Path, programs: dict[str, bytes]
) -> None:
    """A GET of a manifest is a pull; an unchanged image costs one HEAD and nothing else."""
    build, platform = KINDS[kind]
    served = distribution(tmp_path / "source", Serving(record=True))
    with served as source, distribution(tmp_path / "cache") as cache:
        source.push("team/app", "1", build(programs))
        program = Program(tmp_path / "image-sync", cache.host, tmp_path)
        program.settings |= {"preferred_tool": "builtin", "source_tls_verify": False}
        program.add(source, "team/app", "1", platform=platform)
        source.recorder.clear()
        assert program.once().actions == ["pulled"]
        copied = len(source.recorder.manifest_gets())
        source.recorder.clear()
        assert program.once().actions == ["already_cached"]
        asked = [each.method for each in source.recorder.requests if "/manifests/" in each.path]
        assert (copied, asked.count("HEAD"), asked.count("GET")) == TABLE[kind]
