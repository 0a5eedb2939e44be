"""The real tools copy real images between the real registries, by digest."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.real import images, podman
from tests.real.accounts import OPERATOR
from tests.real.content import Image
from tests.real.images import KINDS, Programs
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import require


def run(
    command: Sequence[str | Path], home: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command with nothing of ours in its environment."""
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environment},
    )


def crane_copy(
    source: RunningRegistry, target: RunningRegistry, digest: str, home: Path
) -> subprocess.CompletedProcess[str]:
    """`crane copy` by digest, trusting the source's CA and knowing its account."""
    auths = {source.host: {"auth": source.account.docker_auth()}}
    (home / "config.json").write_text(json.dumps({"auths": auths}), encoding="utf-8")
    copied = [f"{registry.host}/lab/app@{digest}" for registry in (source, target)]
    return run(
        [require("crane"), "copy", "--", *copied],
        home,
        DOCKER_CONFIG=str(home),
        SSL_CERT_FILE=str(source.ca_file),
    )


def assert_same(image: Image, cache: RunningRegistry) -> None:
    """Every manifest and blob is in the cache, and no tag was made."""
    for manifest in image.manifests():
        assert cache.api.digest_of("lab/app", manifest.digest) == manifest.digest
    for blob in image.all_blobs:
        assert cache.api.get_blob("lab/app", blob.digest).body == blob.data
    assert cache.api.tags("lab/app") == []


def test_crane_does_not_take_the_cache_s_address_for_local(
    source: RunningRegistry, cache: RunningRegistry, tmp_path: Path, programs: Programs
) -> None:
    """Straight to plain HTTP on 127.0.0.2 fails: what a relay is for."""
    digest = source.push("lab/app", "1.0", images.single(programs))
    ran = crane_copy(source, cache, digest, tmp_path)
    assert ran.returncode == 1
    assert "server gave HTTP response to HTTPS client" in ran.stderr


def test_crane_finds_its_token(
    token_source: RunningRegistry, tmp_path: Path, programs: Programs
) -> None:
    """The token server is asked with the account, for the scope of this repository."""
    image = images.multi_platform(programs)
    digest = token_source.push("lab/app", "1.0", image)
    with distribution(tmp_path / "local") as target:
        ran = crane_copy(token_source, target, digest, tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert_same(image, target)
    asked = token_source.tokens.requests
    assert {request.username for request in asked} == {token_source.account.username}
    assert {scope for request in asked for scope in request.scopes} == {"repository:lab/app:pull"}
    assert {request.status for request in asked} == {200}


def test_crane_refuses_a_token_server_on_another_port(
    authority: Authority, tmp_path: Path, programs: Programs
) -> None:
    """On loopback crane sends credentials to the registry's own origin only."""
    serving = Serving(
        authority=authority, accounts=(OPERATOR,), token_auth=True, realm_apart=True, record=True
    )
    with (
        distribution(tmp_path / "source", serving) as source,
        distribution(tmp_path / "local") as target,
    ):
        digest = source.push("lab/app", "1.0", images.single(programs))
        ran = crane_copy(source, target, digest, tmp_path)
        assert ran.returncode == 1
        assert "invalid realm" in ran.stderr
        assert source.tokens.requests == []


@pytest.mark.parametrize("kind", ["index", "docker-list", "attestations", "empty-layer", "zstd"])
def test_podman_pulls_a_pushed_image(cache: RunningRegistry, programs: Programs, kind: str) -> None:
    """The images are real: a node can pull them."""
    image = KINDS[kind](programs, "one")
    cache.push("lab/app", "1.0", image)
    pulled = podman.pull(f"{cache.host}/lab/app:1.0")
    assert pulled in {manifest.digest for manifest in image.manifests()}
