"""The objects that deploy/kustomize makes, rendered by kustomize, and what is in them."""

import subprocess
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.real.tools import require

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
KUSTOMIZE: Final = DEPLOY / "kustomize"
FLAVOURS: Final = ("base", "overlays/cronjob", "overlays/ha")
"""What can be applied as it is."""

_TIMEOUT: Final = 60.0
"""Seconds; rendering takes a fraction of one."""

Object = dict[str, Any]
"""An object of the Kubernetes API, or a part of one."""


def build(folder: Path) -> list[Object]:
    """What `kustomize build` makes of a folder.

    Raises:
        AssertionError: It refused; its stderr is in it.
    """
    ran = subprocess.run(
        [require("kustomize"), "build", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=_TIMEOUT,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""  # where deprecations are
    return list(yaml.safe_load_all(ran.stdout))


@cache
def objects(flavour: str) -> list[Object]:
    """The objects of a folder of deploy/kustomize; not to be changed."""
    return build(KUSTOMIZE / flavour)


def only(kind: str, among: Iterable[Object]) -> Object:
    """The one object of a kind."""
    [found] = [each for each in among if each["kind"] == kind]
    return found


def pod_template(among: Iterable[Object]) -> Object:
    """The template of the Pods that a Deployment or a CronJob makes."""
    among = list(among)
    if any(each["kind"] == "CronJob" for each in among):
        spec: Object = only("CronJob", among)["spec"]["jobTemplate"]["spec"]
    else:
        spec = only("Deployment", among)["spec"]
    template: Object = spec["template"]
    return template


def pod(flavour: str) -> Object:
    """The specification of a flavour's Pods."""
    spec: Object = pod_template(objects(flavour))["spec"]
    return spec


def container(flavour: str) -> Object:
    """The one container of a flavour's Pods."""
    assert "initContainers" not in pod(flavour)
    [found] = pod(flavour)["containers"]
    return dict(found)


def environment(flavour: str) -> dict[str, str]:
    """The variables of a container that have their value in the manifest."""
    return {each["name"]: each["value"] for each in container(flavour)["env"] if "value" in each}


def project_version() -> str:
    """The version in pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
