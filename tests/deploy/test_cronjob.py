"""The CronJob makes one pass at a time, and none that hangs blocks the next."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from image_sync.cli import exit_codes
from tests.deploy.manifests import Object, container, environment, objects, only, pod

FLAVOUR = "overlays/cronjob"
RUNNING = {"ports", "startupProbe", "livenessProbe", "readinessProbe"}
"""What only a process that runs until it is stopped has."""


def cronjob() -> Object:
    spec: Object = only("CronJob", objects(FLAVOUR))["spec"]
    return spec


def job() -> Object:
    spec: Object = cronjob()["jobTemplate"]["spec"]
    return spec


def test_it_stands_in_the_place_of_the_deployment() -> None:
    """Both would do the same work twice."""
    assert {each["kind"] for each in objects(FLAVOUR)} == {"CronJob", "ConfigMap", "ServiceAccount"}


def test_a_pass_begins_only_when_the_one_before_has_ended() -> None:
    """And a start that was missed by more than a few minutes is left to the next."""
    assert cronjob()["concurrencyPolicy"] == "Forbid"
    assert cronjob()["startingDeadlineSeconds"] < 15 * 60


def test_its_schedule_comes_due() -> None:
    """The schema takes any text for one."""
    zone = ZoneInfo(cronjob()["timeZone"])
    turns = CronSim(cronjob()["schedule"], datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone))
    first, second = next(turns), next(turns)
    assert (second - first).total_seconds() == 15 * 60


def test_its_container_makes_one_pass() -> None:
    """Without `--once` it would never end."""
    assert container(FLAVOUR)["args"] == ["--once"]
    assert pod(FLAVOUR)["restartPolicy"] == "Never"
    assert not RUNNING & container(FLAVOUR).keys()


def test_a_wrong_configuration_is_not_tried_twice_and_a_drained_node_does_not_count() -> None:
    """The rules name the container and the exit code that are really there."""
    wrong, drained = job()["podFailurePolicy"]["rules"]
    assert wrong == {
        "action": "FailJob",
        "onExitCodes": {
            "containerName": container(FLAVOUR)["name"],
            "operator": "In",
            "values": [exit_codes.USAGE],
        },
    }
    assert drained == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }


def test_every_pass_ends_by_itself_before_the_job_is_ended() -> None:
    """So that what was left is reported; all tries fit into the Job's deadline."""
    deadline = int(environment(FLAVOUR)["IMAGE_SYNC_SETTINGS__PASS_TIMEOUT_SECS"])
    most = deadline + pod(FLAVOUR)["terminationGracePeriodSeconds"]
    assert (job()["backoffLimit"] + 1) * most < job()["activeDeadlineSeconds"]


def test_finished_jobs_do_not_stay() -> None:
    """Some are kept for a day, to be looked at."""
    assert job()["ttlSecondsAfterFinished"] == 86_400
    assert cronjob()["successfulJobsHistoryLimit"] == 3
    assert cronjob()["failedJobsHistoryLimit"] == 3


def test_its_pods_are_those_of_the_deployment() -> None:
    """What is hardened, mounted or bounded in one place is so in the other."""
    ours, theirs = pod(FLAVOUR), pod("base")
    assert ours.keys() - {"restartPolicy"} == theirs.keys()
    same = theirs.keys() - {"containers"}
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
    one, other = container(FLAVOUR), container("base")
    assert one.keys() - {"args"} == other.keys() - RUNNING
    same = one.keys() - {"args", "env"}
    assert {key: one[key] for key in same} == {key: other[key] for key in same}
