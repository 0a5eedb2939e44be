"""What is found out about registries: whether they answer, how safely, and to whom."""

import ssl
import time
from email.utils import formatdate
from pathlib import Path

import anyio
import pytest

from image_sync.examination import Level
from tests.doctor.scene import CANARY, SOURCE_ADDRESS, Scene, contents, failures, told
from tests.hostile import (
    Basic,
    Bearer,
    Fault,
    Held,
    HostileRegistry,
    HubQuota,
    Refusal,
    TokenServer,
    TooManyRequests,
    WithField,
    closed_port,
)
from tests.real.tls import Authority

pytestmark = pytest.mark.anyio


async def test_registries_that_are_well_are_told_so_and_nothing_is_left_in_them(
    scene: Scene, upstream: HostileRegistry, store: HostileRegistry
) -> None:
    """No manifest, blob, tag or upload is there afterwards, and no manifest GET was spent."""
    before = contents(upstream), contents(store)
    report = await scene.examined()
    assert failures(report) == []
    assert "team/app:1 is there" in told(report, f"source {upstream.host}", Level.OK)
    cache = told(report, f"cache {store.host}", Level.OK)
    assert "team/app:1 is not there" in cache
    assert "an upload to team/app was begun and taken back" in cache
    assert (contents(upstream), contents(store)) == before
    assert len(store.asked("POST", "*/blobs/uploads/")) == 1
    assert store.uploads.sessions == {}
    assert upstream.asked("GET", "*/manifests/*") == []
    assert {request.method for request in upstream.requests} <= {"GET", "HEAD"}
    assert {request.method for request in store.requests} <= {"GET", "HEAD", "POST", "DELETE"}


async def test_a_dead_registry_is_one_finding_and_the_others_are_looked_at(
    scene: Scene, upstream: HostileRegistry
) -> None:
    """Its images are not compared; those of others are."""
    dead = closed_port("127.0.0.9")
    scene.images.append({"source": f"{dead}/x/y", "tag": "2", "cache_as": "x/y"})
    report = await scene.examined()
    assert failures(report) == [f"source {dead}"]
    text = told(report, f"source {dead}")
    assert "connection refused" in text
    assert "check name, port, firewall" in text
    assert told(report, f"source {upstream.host}", Level.OK)
    assert (report.changes.would_pull, report.changes.not_compared) == (1, 1)
    assert told(report, "images", Level.WARN)


async def test_a_registry_that_hangs_is_given_up_when_its_time_is_over(
    scene: Scene, upstream: HostileRegistry, store: HostileRegistry
) -> None:
    """What it was asked for is told, and what was found out before."""
    held = Held()
    upstream.inject(Fault("HEAD", "*/manifests/*", held))
    with anyio.fail_after(20):
        report = await scene.examined(patience=1.0)
    assert failures(report) == [f"source {upstream.host}"]
    text = told(report, f"source {upstream.host}")
    assert "reading as anybody (there are no credentials for it): no answer within 1 s" in text
    assert "answers in" in text
    assert told(report, f"cache {store.host}", Level.FAIL) == ""
    assert report.changes.not_compared == 1
    held.gate.open()


async def test_what_is_no_registry_is_told_as_that(scene: Scene, upstream: HostileRegistry) -> None:
    """Something answers there, and 404 to the question that every registry answers."""
    upstream.inject(Fault("GET", "/v2/", Refusal(404, "NOT_FOUND")))
    report = await scene.examined()
    text = told(report, f"source {upstream.host}", Level.FAIL)
    assert "404" in text
    assert "there is no registry" in text
    assert upstream.asked("HEAD") == []


async def test_a_registry_that_limits_us_is_asked_nothing_more(
    scene: Scene, upstream: HostileRegistry
) -> None:
    """One finding says for how long; the dry run leaves its images alone."""
    scene.keep(upstream, "team/web", "team/api")
    upstream.inject(Fault("HEAD", "*", TooManyRequests(retry_after="120")))
    report = await scene.examined()
    assert failures(report) == [f"source {upstream.host}"]
    assert "left alone for 120 s" in told(report, f"source {upstream.host}", Level.FAIL)
    assert len(upstream.asked("HEAD")) == 1
    assert report.changes.not_compared == 3


async def test_the_account_and_its_file_are_told_and_its_password_is_not(
    scene: Scene, upstream: HostileRegistry
) -> None:
    """In findings and events."""
    upstream.authorization = Basic({"operator": CANARY})
    file = scene.log_in(upstream.host)
    report = await scene.examined()
    assert failures(report) == []
    assert f"lets operator of {file} read" in told(report, f"source {upstream.host}", Level.OK)
    assert CANARY not in repr(report) + repr(scene.events)


async def test_credentials_over_a_connection_that_proves_nothing_are_a_warning(
    scene: Scene, store: HostileRegistry
) -> None:
    """A cache in clear is the ordinary case, until passwords go there."""
    clean = await scene.examined()
    assert told(clean, f"cache {store.host}", Level.WARN) == ""
    scene.log_in(store.host)
    report = await scene.examined()
    text = told(report, f"cache {store.host}", Level.WARN)
    assert "plain HTTP; credentials are sent there all the same" in text
    assert "give the registry TLS" in text


async def test_a_wrong_password_is_tried_once_and_told(
    scene: Scene, upstream: HostileRegistry
) -> None:
    """Not again for every image: accounts are locked by that."""
    scene.keep(upstream, "team/web", "team/api")
    upstream.authorization = Basic({"operator": "another"})
    file = scene.log_in(upstream.host)
    report = await scene.examined()
    text = told(report, f"source {upstream.host}", Level.FAIL)
    assert f"reading as operator of {file}" in text
    assert "401" in text
    signed = [request for request in upstream.requests if request.headers.get("Authorization")]
    assert len(signed) == 1
    assert report.changes.not_compared == 3


async def test_an_account_that_may_not_push_fails_at_the_cache(
    scene: Scene, store: HostileRegistry
) -> None:
    """It reads, and that is not enough for a pass."""
    store.inject(Fault("POST", "*/blobs/uploads/", Refusal(403, "DENIED", "read only")))
    report = await scene.examined()
    text = told(report, f"cache {store.host}", Level.FAIL)
    assert "pushing as anybody" in text
    assert "permissions create and update" in text
    assert "lets anybody" in told(report, f"cache {store.host}", Level.OK)


async def test_tokens_are_asked_for_as_a_pass_does(scene: Scene, store: HostileRegistry) -> None:
    """A token server that grants no push is found out."""
    async with TokenServer(store.host.partition(":")[0], accounts={"operator": CANARY}) as tokens:
        tokens.withheld = frozenset({"push"})
        store.authorization = Bearer(tokens)
        scene.registries[store.host] = {"realm_hosts": [tokens.host], "plain_http": True}
        scene.log_in(store.host)
        report = await scene.examined()
    assert failures(report) == [f"cache {store.host}"]


async def test_the_quota_is_told_and_none_of_it_spent(
    scene: Scene, upstream: HostileRegistry
) -> None:
    """It comes with a HEAD; one that is used up down to the reserve is a warning."""
    quota = HubQuota(limit=100, remaining=20)
    upstream.inject(Fault("GET|HEAD", "/v2/*/manifests/*", quota))
    report = await scene.examined()
    assert "20 of 100 pulls are left" in told(report, f"source {upstream.host}", Level.OK)
    assert quota.remaining == 20
    scene.registries[upstream.host]["reserve_pulls"] = 20
    report = await scene.examined()
    assert "20 of them reserved" in told(report, f"source {upstream.host}", Level.WARN)


@pytest.mark.parametrize(("seconds", "word"), [(-3600, "behind"), (3600, "ahead")])
async def test_a_clock_that_differs_by_more_than_a_minute_is_a_warning(
    scene: Scene, upstream: HostileRegistry, seconds: int, word: str
) -> None:
    """Whichever of the two is wrong."""
    date = formatdate(time.time() + seconds, usegmt=True)
    upstream.inject(Fault("GET", "/v2/", WithField("Date", date)))
    report = await scene.examined()
    text = told(report, "clock", Level.WARN)
    assert f"{upstream.host} is 3" in text
    assert word in text


async def test_clocks_that_agree_are_well(
    scene: Scene, upstream: HostileRegistry, store: HostileRegistry
) -> None:
    """A second or so is none."""
    assert f"agrees with {store.host}, {upstream.host}" in told(
        await scene.examined(), "clock", Level.OK
    )


@pytest.mark.parametrize(
    ("expired", "trusted", "words"),
    [
        pytest.param(True, True, "certificate has expired", id="expired"),
        pytest.param(False, False, "unable to get local issuer", id="unknown-ca"),
    ],
)
async def test_a_certificate_that_does_not_verify_fails_with_its_reason(
    tmp_path: Path,
    authority: Authority,
    store: HostileRegistry,
    expired: bool,  # noqa: FBT001 - a column
    trusted: bool,  # noqa: FBT001 - a column
    words: str,
) -> None:
    """And nothing is sent there."""
    async with HostileRegistry(SOURCE_ADDRESS, tls=_shown(authority, expired=expired)) as source:
        scene = Scene(tmp_path, store.host)
        scene.keep(source, "team/app")
        scene.registries[source.host] = {"ca_file": str(authority.ca_file)} if trusted else {}
        report = await scene.examined()
        assert words in told(report, f"source {source.host}", Level.FAIL)
        assert "ca_file" in told(report, f"source {source.host}", Level.FAIL)
        assert source.requests == []


async def test_a_source_that_need_not_prove_itself_is_a_warning(
    tmp_path: Path, authority: Authority, store: HostileRegistry
) -> None:
    """It works, and the operator should know how."""
    async with HostileRegistry(SOURCE_ADDRESS, tls=_shown(authority)) as source:
        scene = Scene(tmp_path, store.host)
        scene.keep(source, "team/app")
        scene.registries[source.host] = {"tls_verify": False}
        report = await scene.examined()
        assert failures(report) == []
        text = told(report, f"source {source.host}", Level.WARN)
        assert "a certificate that does not verify" in text


async def test_manifests_of_dockers_types_are_known_to_be_taken_where_one_is_held(
    scene: Scene, store: HostileRegistry
) -> None:
    """Otherwise it is told that this was not tried."""
    assert "not tried here" in told(await scene.examined(), f"cache {store.host}", Level.OK)
    store.store.put_image("team/app", "1", docker=True)
    assert "it holds one" in told(await scene.examined(), f"cache {store.host}", Level.OK)


async def test_a_cache_without_images_is_greeted_all_the_same(
    scene: Scene, store: HostileRegistry
) -> None:
    """And nothing is asked for that nobody configured."""
    scene.images.clear()
    report = await scene.examined()
    assert failures(report) == []
    assert "answers in" in told(report, f"cache {store.host}", Level.OK)
    assert "images is empty" in told(report, "configuration", Level.WARN)
    assert store.asked("POST") == []


def _shown(authority: Authority, *, expired: bool = False) -> ssl.SSLContext:
    return authority.issue(expired=expired).server_context()
