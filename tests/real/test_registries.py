"""The registries that tests stand on start, serve what was put in, and stop."""

import http.client
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.real import images
from tests.real.accounts import OPERATOR, SECOND
from tests.real.images import KINDS, Programs
from tests.real.registries import crane_registry, distribution, zot
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.wire import RegistryApi

KIND = pytest.mark.parametrize("kind", KINDS)


@KIND
def test_a_pushed_image_of_each_kind_is_served_whole(
    any_registry: RunningRegistry, programs: Programs, kind: str
) -> None:
    """Every manifest and blob comes back byte for byte, with its digest and type."""
    image = KINDS[kind](programs, "one")
    any_registry.push("lab/app", "1.0", image)
    for manifest in image.manifests():
        served = any_registry.api.get_manifest("lab/app", manifest.digest)
        assert (served.status, served.body) == (200, manifest.data)
        assert served.headers["content-type"] == manifest.media_type
    for blob in image.all_blobs:
        assert any_registry.api.get_blob("lab/app", blob.digest).body == blob.data
    assert any_registry.api.digest_of("lab/app", "1.0") == image.digest
    assert any_registry.api.tags("lab/app") == ["1.0"]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("record", [False, True], ids=["bare", "recorded"])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param({}, id="plain"),
        pytest.param({"accounts": (OPERATOR, SECOND)}, id="htpasswd"),
        pytest.param({"accounts": (OPERATOR,), "token_auth": True}, id="token"),
        pytest.param(
            {"accounts": (OPERATOR,), "token_auth": True, "realm_apart": True}, id="token-apart"
        ),
        pytest.param({"token_auth": True}, id="anonymous-token"),
    ],
)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_distribution_serves_in_every_shape(
    tmp_path: Path,
    authority: Authority,
    programs: Programs,
    version: int,
    shape: Mapping[str, object],
    *,
    tls: bool,
    record: bool,
) -> None:
    """A client who trusts the CA reads what was pushed, and without rights gets a 401."""
    serving = Serving(
        authority=authority if tls else None,
        record=record,
        accounts=shape.get("accounts", ()),  # type: ignore[arg-type]
        token_auth=bool(shape.get("token_auth")),
        realm_apart=bool(shape.get("realm_apart")),
    )
    with distribution(tmp_path, serving, version=version) as registry:
        image = images.single(programs)
        assert registry.push("app", "1", image) == registry.api.digest_of("app", "1")
        stranger = RegistryApi(registry.host, ca_file=registry.ca_file)
        answer = stranger.get_manifest("app", "1")
        challenge = answer.headers.get("www-authenticate", "")
    if serving.token_auth:
        assert answer.status == 401
        assert challenge.startswith(f'Bearer realm="{"https" if tls else "http"}://127.0.0.1:')
    elif serving.accounts:
        assert (answer.status, challenge[:6]) == (401, "Basic ")
    else:
        assert (answer.status, answer.body) == (200, image.data)


def test_a_killed_registry_comes_back_on_its_port_with_its_content(
    source: RunningRegistry, programs: Programs
) -> None:
    """Clients are refused while it is away, and find the same tag at the same host after."""
    digest = source.push("app", "1", images.multi_platform(programs))
    client = RegistryApi(source.host, ca_file=source.ca_file, authorize=lambda _: OPERATOR.basic())
    source.kill()
    with pytest.raises(ConnectionRefusedError):
        client.ping()
    source.restart()
    assert client.digest_of("app", "1") == digest


def test_a_stopped_context_leaves_no_process(tmp_path: Path) -> None:
    """After the with block nobody listens on the port and the pid is gone."""
    with crane_registry(tmp_path) as registry:
        pid = registry.pid
        assert registry.api.ping().status == http.client.OK
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        registry.api.ping()


def test_distribution_3_deletes_a_tag_and_2_only_digests(
    any_registry: RunningRegistry, programs: Programs, request: pytest.FixtureRequest
) -> None:
    """A deleted tag answers 404 where the registry can delete tags."""
    any_registry.push("app", "1", images.single(programs))
    answer = any_registry.api.delete_manifest("app", "1")
    if "2.8" in request.node.name:
        assert answer.status == 400
    else:
        assert answer.status == 202
        assert any_registry.api.digest_of("app", "1") is None


def test_zot_serves_where_there_is_one(tmp_path: Path, programs: Programs) -> None:
    """Zot takes Docker's types with `compat` and refuses them without."""
    with zot(tmp_path / "with") as registry:
        registry.push("app", "1", images.docker_list(programs))
    with zot(tmp_path / "without", docker=False) as registry:
        image = images.docker_single(programs)
        for blob in image.all_blobs:
            registry.api.put_blob("app", blob.data)
        answer = registry.api.put_manifest("app", "1", image.data, image.media_type)
        assert answer.status == 415
