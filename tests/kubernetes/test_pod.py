"""What a container finds out about itself."""

from pathlib import Path

import pytest

from image_sync.errors import ApiError, ConfigError, ErrorKind
from image_sync.kubernetes import Pod, find_pod
from tests.kubernetes.clusterapi import NAMESPACE

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 50_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        pytest.param("10.96.0.1", "6443", "https://10.96.0.1:6443", id="ipv4"),
        pytest.param("fd00::1", "443", "https://[fd00::1]:443", id="ipv6"),
        pytest.param("api.example", "", "https://api.example:443", id="name"),
    ],
)
def test_the_api_is_where_the_environment_says(host: str, port: str, url: str) -> None:
    """As every container is told."""
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    assert find_pod(environ).url == url


def test_outside_of_a_cluster_a_lease_is_a_mistake() -> None:
    """Said once, at the start, with the key that asked for it."""
    with pytest.raises(ConfigError) as caught:
        find_pod({})
    assert str(caught.value).startswith("settings.lease: ")
    assert "KUBERNETES_SERVICE_HOST" in str(caught.value)


def test_no_two_processes_are_the_same() -> None:
    """Not even two of one Pod, one after the other."""
    environ = IN_A_POD | {"POD_NAME": "image-sync-0"}
    names = {find_pod(environ).identity for _ in range(10)}
    assert len(names) == 10
    assert all(name.startswith("image-sync-0_") for name in names)
    assert "_" in find_pod(IN_A_POD).identity


def test_a_token_is_read_again_after_a_minute(account: Path) -> None:
    """It is replaced while it is valid still."""
    clock = Clock()
    pod = Pod("https://x", "a", account, clock)
    assert pod.token() == "token-1"
    (account / "token").write_text("token-2")
    clock.now += 59
    assert pod.token() == "token-1"
    clock.now += 1
    assert pod.token() == "token-2"
    (account / "token").write_text("token-3")
    assert pod.token(fresh=True) == "token-3"
    assert pod.namespace() == NAMESPACE


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"secret secret", id="two-words"),
        pytest.param(b"secret\xff", id="not-ascii"),
        pytest.param(b"secret\x00", id="control-characters"),
    ],
)
def test_a_token_that_cannot_be_used_is_said_with_its_remedy(
    account: Path, content: bytes | None
) -> None:
    """The file is named, and what is in it is not shown."""
    (account / "token").unlink()
    if content is not None:
        (account / "token").write_bytes(content)
    with pytest.raises(ApiError) as caught:
        Pod("https://x", "a", account, Clock()).token()
    assert caught.value.kind is ErrorKind.CONFIG
    assert str(account / "token") in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "automountServiceAccountToken" in caught.value.hint
