"""Of two replicas one works, by a Lease that both may write and nothing else."""

from tests.deploy.manifests import Object, environment, objects, only, pod, pod_template

FLAVOUR = "overlays/ha"


def found(kind: str) -> Object:
    return only(kind, objects(FLAVOUR))


def test_there_are_two_replicas_and_an_update_keeps_one_running() -> None:
    """The Lease sees to it that only one copies."""
    spec = found("Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate"}


def test_replicas_share_a_lease_and_are_told_apart_by_their_pods() -> None:
    """The name of the Pod is who holds it."""
    [container] = pod(FLAVOUR)["containers"]
    assert environment(FLAVOUR)["IMAGE_SYNC_SETTINGS__LEASE__NAME"] == "image-sync"
    assert {
        "name": "POD_NAME",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    } in container["env"]


def test_the_account_may_do_what_the_lease_needs_and_no_more() -> None:
    """Creating cannot be limited by name; reading and writing is."""
    lease = environment(FLAVOUR)["IMAGE_SYNC_SETTINGS__LEASE__NAME"]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert found("Role")["rules"] == [
        leases | {"verbs": ["create"]},
        leases | {"resourceNames": [lease], "verbs": ["get", "update"]},
    ]


def test_the_role_is_given_to_the_account_of_the_pods() -> None:
    """Not to the namespace's default account, and not in all namespaces."""
    role, binding = found("Role")["metadata"], found("RoleBinding")
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["name"],
    }
    assert binding["subjects"] == [
        {
            "kind": "ServiceAccount",
            "name": pod(FLAVOUR)["serviceAccountName"],
            "namespace": role["namespace"],
        }
    ]
    kinds = {each["kind"] for each in objects(FLAVOUR)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}


def test_a_drain_takes_one_replica_at_a_time_and_they_are_on_different_nodes() -> None:
    """If there are different nodes; both rules select the replicas."""
    labels = pod_template(objects(FLAVOUR))["metadata"]["labels"]
    budget = found("PodDisruptionBudget")["spec"]
    [spread] = pod(FLAVOUR)["topologySpreadConstraints"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    assert spread["labelSelector"] == {"matchLabels": labels}
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
