"""The folders of deploy/kustomize render to objects that an API server knows."""

import shutil
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]  # it has no annotations
import pytest

from tests.deploy.manifests import FLAVOURS, KUSTOMIZE, build, objects, only, pod_template

VERSIONS = ("1.31", kubernetes_validate.latest_version())
"""Of Kubernetes: the first whose Jobs have podFailurePolicy for good, and the newest."""

THEIRS = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: caching
resources: [./kustomize/overlays/ha]
images:
  - name: image-sync
    newName: registry.example/tools/image-sync
configMapGenerator:
  - name: image-sync
    behavior: replace
    files: [config.yaml]
"""
CONFIGURATION = "cache_registry: cache.example\nimages: []\n"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_object_fits_its_schema(flavour: str, version: str) -> None:
    """Nothing unknown, nothing of a wrong type, nothing missing."""
    for each in objects(flavour):
        kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_key_does_not_fit() -> None:
    """The check is one."""
    [account] = [each for each in objects("base") if each["kind"] == "ServiceAccount"]
    with pytest.raises(kubernetes_validate.ValidationError, match="automountToken"):
        kubernetes_validate.validate(account | {"automountToken": True}, "1.31", strict=True)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_object_has_its_name_and_namespace(flavour: str) -> None:
    """One name for all, so that nobody has to look; the namespace is not whatever is current."""
    for each in objects(flavour):
        assert each["metadata"]["name"] == "image-sync"
        assert each["metadata"]["namespace"] == "image-sync"
        assert each["metadata"]["labels"] == {"app.kubernetes.io/name": "image-sync"}


def test_an_overlay_of_an_operator_sets_namespace_image_and_configuration(tmp_path: Path) -> None:
    """Few lines on top: the name of the ConfigMap stays, and the account is bound where it is."""
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    (tmp_path / "kustomization.yaml").write_text(THEIRS, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIGURATION, encoding="utf-8")
    rendered = build(tmp_path)
    assert {each["metadata"]["namespace"] for each in rendered} == {"caching"}
    config_map = only("ConfigMap", rendered)
    assert config_map["metadata"]["name"] == "image-sync"
    assert config_map["data"] == {"config.yaml": CONFIGURATION}
    assert only("RoleBinding", rendered)["subjects"] == [
        {"kind": "ServiceAccount", "name": "image-sync", "namespace": "caching"}
    ]
    [container] = pod_template(rendered)["spec"]["containers"]
    assert container["image"].startswith("registry.example/tools/image-sync:")
