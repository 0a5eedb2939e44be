"""A cluster on a real socket, and the Pod that asks it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from image_sync.http import Deadlines
from image_sync.kubernetes import Pod, PodLeases, reaching
from tests.kubernetes.clusterapi import LEASE, NAMESPACE, ClusterApi
from tests.real.tls import Authority

HASTY = Deadlines(connect=0.2, headers=0.2, idle=0.3)
"""Deadlines that a test can wait for."""


@pytest.fixture
async def cluster(authority: Authority) -> AsyncIterator[ClusterApi]:
    """The API, with an account `token-1`."""
    async with ClusterApi(authority.issue().server_context()) as api:
        yield api


@pytest.fixture
def account(tmp_path: Path, authority: Authority) -> Path:
    """The folder that Kubernetes mounts into a container."""
    (tmp_path / "token").write_text("token-1\n")
    (tmp_path / "namespace").write_text(NAMESPACE)
    (tmp_path / "ca.crt").write_bytes(authority.ca_file.read_bytes())
    return tmp_path


@pytest.fixture
async def leases(cluster: ClusterApi, account: Path) -> AsyncIterator[PodLeases]:
    """The Lease as a Pod reaches it."""
    pod = Pod(cluster.url, "a", account)
    async with reaching(pod, LEASE, None) as leases:
        yield leases
