"""The Lease is read, and not written."""

from pathlib import Path

import pytest

from image_sync.config import LeaseEntry
from image_sync.doctor.lease import lease_finding, read_lease
from image_sync.examination import Level
from image_sync.kubernetes import Pod
from tests.hostile import closed_port
from tests.kubernetes.clusterapi import LEASE, NAMESPACE, ClusterApi
from tests.real.tls import Authority

pytestmark = pytest.mark.anyio

ENTRY = LeaseEntry(name=LEASE)


def pod(url: str, folder: Path, authority: Authority, token: str = "token-1") -> Pod:
    (folder / "token").write_text(token)
    (folder / "namespace").write_text(NAMESPACE)
    (folder / "ca.crt").write_bytes(authority.ca_file.read_bytes())
    return Pod(url, "a", folder)


async def test_outside_of_a_pod_it_cannot_be_told() -> None:
    """A laptop may look at the configuration of a cluster."""
    assert (await lease_finding(ENTRY, {})).level is Level.WARN


@pytest.mark.parametrize(
    ("named", "place"),
    [
        pytest.param(None, NAMESPACE, id="in the Pod's namespace"),
        pytest.param("elsewhere", "elsewhere", id="in another"),
    ],
)
async def test_a_lease_that_is_not_there_is_made_by_a_pass(
    tmp_path: Path, authority: Authority, named: str | None, place: str
) -> None:
    """So it is not made here."""
    entry = LeaseEntry(name=LEASE, namespace=named)
    async with ClusterApi(authority.issue().server_context()) as cluster:
        found = await read_lease(entry, pod(cluster.url, tmp_path, authority))
        assert found.level is Level.OK
        assert found.text.startswith(f"{place}/{LEASE} is not there")
        assert cluster.leases == {}
        assert {request.method for request in cluster.requests} == {"GET"}


async def test_an_account_that_is_refused_fails_with_what_to_do(
    tmp_path: Path, authority: Authority
) -> None:
    """The token is not shown."""
    async with ClusterApi(authority.issue().server_context()) as cluster:
        found = await read_lease(ENTRY, pod(cluster.url, tmp_path, authority, "stranger"))
    assert found.level is Level.FAIL
    assert "service account" in str(found.remedy)
    assert "stranger" not in repr(found)


async def test_an_api_that_is_not_there_fails(tmp_path: Path, authority: Authority) -> None:
    """As a finding."""
    found = await read_lease(ENTRY, pod(f"https://{closed_port()}", tmp_path, authority))
    assert found.level is Level.FAIL
    assert "connect" in found.text
