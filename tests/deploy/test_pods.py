"""Every Pod is allowed where Pod Security is `restricted`, and finds what it needs."""

from pathlib import Path, PurePosixPath

import pytest

from image_sync import config
from image_sync.credentials.files import default_places
from tests.deploy.manifests import (
    FLAVOURS,
    Object,
    container,
    environment,
    objects,
    only,
    pod,
    pod_template,
    project_version,
)

VOLUMES = {"configMap", "secret", "emptyDir"}
"""Kinds of volumes in use, all of them allowed by `restricted`."""
CLOSING = 5 + 5
"""Seconds for the ledger and for open uploads, after `settings.shutdown_grace_secs`."""

every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)
running = pytest.mark.parametrize("flavour", ["base", "overlays/ha"])


def volumes(flavour: str) -> dict[str, Object]:
    """The volumes of a Pod by name."""
    return {each["name"]: each for each in pod(flavour)["volumes"]}


def mounts(flavour: str) -> dict[str, Object]:
    """The mounts of its container by the volume's name."""
    return {each["name"]: each for each in container(flavour)["volumeMounts"]}


def resolved(flavour: str, folder: Path) -> config.Resolved:
    """What the ConfigMap means to a process with the container's environment."""
    for name, text in only("ConfigMap", objects(flavour))["data"].items():
        (folder / name).write_text(text, encoding="utf-8")
    return config.resolve(config.load(str(folder), environ=environment(flavour)))


@every_flavour
def test_it_is_allowed_where_pod_security_is_restricted(flavour: str) -> None:
    """Kubernetes, "Pod Security Standards", restricted; and a numeric user beside it."""
    spec = pod(flavour)
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
    assert {next(iter(each.keys() - {"name"})) for each in spec["volumes"]} <= VOLUMES
    assert all("hostPort" not in port for port in container(flavour).get("ports", ()))


@every_flavour
def test_its_container_can_change_nothing_but_memory(flavour: str) -> None:
    """The root is read-only; what can be written is bounded and on no disk."""
    assert container(flavour)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {name for name, mount in mounts(flavour).items() if not mount.get("readOnly")}
    assert writable == {"tmp"}
    assert mounts(flavour)["tmp"]["mountPath"] == "/tmp"
    assert volumes(flavour)["tmp"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Mi"}


@every_flavour
def test_it_is_given_no_variables_of_services(flavour: str) -> None:
    """A Service named image-sync would set some with our prefix."""
    assert pod(flavour)["enableServiceLinks"] is False


@every_flavour
def test_it_has_a_token_of_the_api_only_for_the_lease(flavour: str) -> None:
    """Nothing else needs one; the account itself hands out none."""
    assert pod(flavour)["automountServiceAccountToken"] is (flavour == "overlays/ha")
    account = only("ServiceAccount", objects(flavour))
    assert account["automountServiceAccountToken"] is False
    assert pod(flavour)["serviceAccountName"] == account["metadata"]["name"]


@every_flavour
def test_its_memory_and_disk_are_bounded_and_its_cpu_is_not(flavour: str) -> None:
    """A limit of CPU would only throttle; all else must not hurt the neighbours."""
    resources = container(flavour)["resources"]
    assert resources["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}
    assert resources["limits"].keys() == {"memory", "ephemeral-storage"}


@every_flavour
def test_its_image_is_that_of_this_version(flavour: str) -> None:
    """Never `latest`, and never a version behind."""
    assert container(flavour)["image"] == f"image-sync:{project_version()}"


@every_flavour
def test_every_volume_is_mounted_and_every_mount_has_a_volume(flavour: str) -> None:
    """As folders: a file mounted by subPath never changes again."""
    assert volumes(flavour).keys() == mounts(flavour).keys()
    assert all("subPath" not in mount for mount in mounts(flavour).values())


@every_flavour
def test_the_configuration_is_valid_and_where_it_is_looked_for(
    flavour: str, tmp_path: Path
) -> None:
    """With the environment of the container, by the rules of `config validate`."""
    config_map = only("ConfigMap", objects(flavour))
    assert volumes(flavour)["config"]["configMap"]["name"] == config_map["metadata"]["name"]
    assert mounts(flavour)["config"]["mountPath"] == environment(flavour)["IMAGE_SYNC_CONFIG"]
    assert resolved(flavour, tmp_path).specs


@every_flavour
def test_the_pull_secret_is_where_credentials_are_looked_for(flavour: str) -> None:
    """Under the name that crane knows, too; readable by us alone; a Pod starts without it."""
    secret = volumes(flavour)["credentials"]["secret"]
    [item] = secret["items"]
    assert item["key"] == ".dockerconfigjson"
    place = PurePosixPath(mounts(flavour)["credentials"]["mountPath"]) / item["path"]
    assert place in [each.path for each in default_places(environment(flavour))]
    assert secret["optional"] is True
    assert secret["defaultMode"] == 0o440


@running
def test_probes_ask_what_the_configuration_has_served(flavour: str, tmp_path: Path) -> None:
    """On every address of the Pod, at the container's own port."""
    [port] = container(flavour)["ports"]
    assert resolved(flavour, tmp_path).settings.server.listen == f":{port['containerPort']}"
    asked = {
        name: container(flavour)[f"{name}Probe"]["httpGet"]
        for name in ("startup", "liveness", "readiness")
    }
    assert asked == {
        "startup": {"path": "/livez", "port": port["name"]},
        "liveness": {"path": "/livez", "port": port["name"]},
        "readiness": {"path": "/readyz", "port": port["name"]},
    }


@every_flavour
def test_running_copies_have_their_time_to_finish(flavour: str, tmp_path: Path) -> None:
    """The kubelet kills only after everything of ours has run out."""
    grace = resolved(flavour, tmp_path).settings.shutdown_grace_secs
    assert pod(flavour)["terminationGracePeriodSeconds"] > grace + CLOSING


@running
def test_the_deployment_selects_its_own_pods(flavour: str) -> None:
    """And image-sync needs no new Pod when only its configuration changes."""
    selector = only("Deployment", objects(flavour))["spec"]["selector"]["matchLabels"]
    metadata = pod_template(objects(flavour))["metadata"]
    assert selector.items() <= metadata["labels"].items()
    assert selector
    assert "annotations" not in metadata


def test_one_replica_is_gone_before_the_next_one_starts() -> None:
    """Without a Lease, two would copy side by side."""
    spec = only("Deployment", objects("base"))["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
