"""The image is small, runs as nobody, and is of this version."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY, FLAVOURS, ROOT, environment, pod, project_version

FILE = DEPLOY / "Dockerfile"
TEXT = FILE.read_text(encoding="utf-8")
STAGES = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL)
"""Of each stage: what it builds on, its name, its lines."""


def test_hadolint_finds_nothing() -> None:
    """It knows what goes wrong in Dockerfiles, and runs shellcheck over commands."""
    hadolint = Path(sys.executable).parent / "hadolint"
    ran = subprocess.run(
        [hadolint, "--no-color", FILE], capture_output=True, check=False, text=True, timeout=60
    )
    assert ran.stdout == ""
    assert ran.returncode == 0, ran.stderr


def test_the_default_target_holds_no_tool() -> None:
    """The last stage is what is built when nobody names one."""
    base, name, lines = STAGES[-1]
    assert (base, name, lines.strip()) == ("runtime", "native", "")
    [runtime] = [lines for _, name, lines in STAGES if name == "runtime"]
    assert not re.search(r"crane|skopeo|apt-get", runtime)


def test_the_image_says_which_version_it_is() -> None:
    """That of the project, where it is labelled and where the file says how to build it."""
    version = project_version()
    assert f"ARG VERSION={version}\n" in TEXT
    assert f"-t image-sync:{version} " in TEXT


def test_crane_is_the_one_that_is_tested() -> None:
    """The version that tests/tools/install.sh builds."""
    script = (ROOT / "tests" / "tools" / "install.sh").read_text(encoding="utf-8")
    tested = re.search(r"^crane_version=(\S+)$", script, re.MULTILINE)
    assert tested
    assert re.findall(r"^ARG CRANE_IMAGE=\S+:(\S+)$", TEXT, re.MULTILINE) == [tested[1]]


@pytest.mark.parametrize("stage", ["runtime", "tools"])
def test_nothing_runs_as_root(stage: str) -> None:
    """The last word on the user is a number, the one that Pods are given."""
    [lines] = [lines for _, name, lines in STAGES if name == stage]
    user = pod("base")["securityContext"]
    assert re.findall(r"^USER (\S+)$", lines, re.MULTILINE)[-1] == (
        f"{user['runAsUser']}:{user['runAsGroup']}"
    )


def test_the_command_gets_signals_itself() -> None:
    """No shell stands between the runtime and image-sync."""
    assert 'ENTRYPOINT ["image-sync"]\n' in TEXT
    assert 'CMD ["image-sync", "health"]\n' in TEXT


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_pods_set_what_the_image_sets(flavour: str) -> None:
    """A verb run in a Pod by hand, and a container without Kubernetes, find the same files."""
    for name in ("HOME", "IMAGE_SYNC_CONFIG"):
        [value] = re.findall(rf"\b{name}=(\S+)", TEXT)
        assert environment(flavour)[name] == value
