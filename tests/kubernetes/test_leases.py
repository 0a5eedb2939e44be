"""A Lease over the API of Kubernetes, on a real socket with TLS."""

import json
import shutil
from collections.abc import Awaitable
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import ApiError, ErrorKind
from image_sync.events import Event
from image_sync.http import Answer, ApiClient
from image_sync.kubernetes import Election, Pod, PodLeases, Record
from tests.hostile import (
    Answer as Always,
)
from tests.hostile import (
    Behaviour,
    Drip,
    Dropped,
    Endless,
    Fault,
    Gzipped,
    HtmlPage,
    Manner,
    RawPort,
    Redirect,
    Stalled,
    Truncated,
    closed_port,
)
from tests.kubernetes.clusterapi import LEASE, NAMESPACE, ClusterApi
from tests.kubernetes.conftest import HASTY
from tests.real.tls import Authority

pytestmark = pytest.mark.anyio

CLAIM = Record(
    holder="a",
    duration=15,
    acquired="2026-01-02T03:04:05.000006Z",
    renewed="2026-01-02T03:04:05.000006Z",
)
ALL = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


async def written(leases: PodLeases, record: Record = CLAIM) -> Record:
    """The Lease after a write that has to work."""
    result = await leases.write(record)
    assert result is not None
    return result


async def failure_of(asked: Awaitable[object]) -> ApiError:
    """The error that a call ends in."""
    with pytest.raises(ApiError) as caught:
        await asked
    return caught.value


async def test_a_lease_that_is_not_there_is_made(cluster: ClusterApi, leases: PodLeases) -> None:
    """Read as absent, then made with all that others go by."""
    assert await leases.read() is None
    made = await written(leases)
    assert made == await leases.read()
    assert (made.holder, made.duration, made.transitions) == ("a", 15, 0)
    assert made.version
    assert [f"{r.method} {r.path}" for r in cluster.requests] == [
        f"GET {ALL}/{LEASE}",
        f"POST {ALL}",
        f"GET {ALL}/{LEASE}",
    ]
    assert cluster.leases[LEASE]["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": CLAIM.acquired,
        "renewTime": CLAIM.renewed,
        "leaseTransitions": 0,
    }


async def test_a_lease_is_made_once(leases: PodLeases) -> None:
    """Who comes second is told."""
    await written(leases)
    assert await leases.write(CLAIM) is None


async def test_nobody_writes_over_another(cluster: ClusterApi, leases: PodLeases) -> None:
    """A version that is not the Lease's any more is told; so is a Lease that is gone."""
    made = await written(leases)
    renewed = await written(leases, made)
    assert renewed.version != made.version
    assert await leases.write(made) is None
    cluster.leases.clear()
    assert await leases.write(renewed) is None


async def test_what_others_keep_with_it_stays(cluster: ClusterApi, leases: PodLeases) -> None:
    """Labels, annotations and owners are not ours to drop."""
    await written(leases)
    others = {"labels": {"app": "x"}, "ownerReferences": [{"uid": "7", "controller": True}]}
    cluster.touch()["metadata"] |= others
    found = await leases.read()
    assert found is not None
    await written(leases, found)
    assert cluster.leases[LEASE]["metadata"].items() >= others.items()


async def test_a_lease_of_another_program_is_read(cluster: ClusterApi, leases: PodLeases) -> None:
    """Fields may be missing or null, and unknown ones are there."""
    await written(leases)
    cluster.touch()["spec"] = {"holderIdentity": None, "strategy": "OldestEmulationVersion"}
    found = await leases.read()
    assert found is not None
    assert (found.holder, found.duration, found.renewed) == ("", 0, "")


async def test_a_token_that_was_replaced_is_read_again(
    cluster: ClusterApi, leases: PodLeases, account: Path
) -> None:
    """On 401 the file is read at once, and the call made again; the caller learns nothing of it."""
    await written(leases)
    cluster.tokens = {"token-2"}
    (account / "token").write_text("token-2")
    assert await leases.read() is not None
    assert len(cluster.asked("GET")) == 2


async def test_a_token_that_is_refused_is_sent_twice_and_no_more(
    cluster: ClusterApi, leases: PodLeases
) -> None:
    """A refusal is an answer."""
    cluster.tokens.clear()
    failure = await failure_of(leases.read())
    assert failure.kind is ErrorKind.UNAUTHORIZED
    assert len(cluster.requests) == 2
    assert "token-1" not in f"{failure} {failure!r} {failure.hint}"


FORBIDDEN = 'User "x" cannot get resource "leases"\x1b[2J'


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        pytest.param(403, ErrorKind.DENIED, "create, and get and update on image-sync", id="rbac"),
        pytest.param(422, ErrorKind.CONFIG, "settings.lease", id="invalid"),
        pytest.param(429, ErrorKind.UNAVAILABLE, "control plane", id="busy"),
        pytest.param(503, ErrorKind.UNAVAILABLE, "control plane", id="down"),
        pytest.param(204, ErrorKind.BAD_CONTENT, "KUBERNETES_SERVICE_HOST", id="empty"),
    ],
)
async def test_a_refusal_says_what_to_do(
    cluster: ClusterApi, leases: PodLeases, code: int, kind: ErrorKind, advice: str
) -> None:
    """With the API's own words, none of which moves a cursor."""
    body = json.dumps({"message": FORBIDDEN}).encode() if code != 204 else b""
    cluster.inject(Fault("GET", "*", Always(code, body=body)))
    failure = await failure_of(leases.read())
    assert failure.kind is kind
    assert failure.status == code
    assert advice in failure.hint
    assert str(failure).isprintable()
    assert ('cannot get resource "leases"\\x1b' in str(failure)) == bool(body)


async def test_a_namespace_that_is_not_there_is_named(cluster: ClusterApi, account: Path) -> None:
    """A Lease cannot be made in it."""
    pod = Pod(cluster.url, "a", account)
    async with ApiClient(pod.url, pod.ca_file) as api:
        failure = await failure_of(PodLeases(api, pod, "elsewhere", LEASE).write(CLAIM))
    assert failure.kind is ErrorKind.NOT_FOUND
    assert 'namespaces "elsewhere" not found' in str(failure)
    assert "settings.lease.namespace" in failure.hint


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(HtmlPage(200), ErrorKind.BAD_CONTENT, id="html"),
        pytest.param(Always(200, body=b"{}"), ErrorKind.BAD_CONTENT, id="no-lease"),
        pytest.param(
            Always(200, body=b'{"kind":"Pod","metadata":{"resourceVersion":"1"},"spec":{}}'),
            ErrorKind.BAD_CONTENT,
            id="another-kind",
        ),
        pytest.param(
            Always(200, body=b'{"metadata":{"resourceVersion":' + b"[" * 30_000),
            ErrorKind.BAD_CONTENT,
            id="nested",
        ),
        pytest.param(Endless(), ErrorKind.BAD_CONTENT, id="endless"),
        pytest.param(Gzipped(), ErrorKind.BAD_CONTENT, id="compressed"),
        pytest.param(Truncated(20), ErrorKind.TRUNCATED, id="cut-off"),
        pytest.param(Dropped(), ErrorKind.NETWORK, id="dropped"),
        pytest.param(Stalled(), ErrorKind.TIMEOUT, id="silent"),
        pytest.param(Stalled(20), ErrorKind.TIMEOUT, id="stalled"),
        pytest.param(Drip(0.1), ErrorKind.TIMEOUT, id="trickling"),
    ],
)
async def test_what_is_no_answer_is_an_error(
    account: Path, behaviour: Behaviour, kind: ErrorKind
) -> None:
    """In bounded time and memory; and the next call goes well."""
    async with ClusterApi(tls=None) as cluster:  # faults inside of TLS are paced by asyncio
        pod = Pod(cluster.url, "a", account)
        async with ApiClient(pod.url, pod.ca_file, HASTY) as api:
            leases = PodLeases(api, pod, NAMESPACE, LEASE)
            await written(leases)
            cluster.inject(Fault("GET", "*", behaviour, times=1))
            with anyio.fail_after(2):
                assert (await failure_of(leases.read())).kind is kind
            assert await leases.read() is not None


async def test_a_redirect_is_not_followed(cluster: ClusterApi, leases: PodLeases) -> None:
    """The token goes to the API and nowhere else."""
    async with RawPort() as elsewhere:
        cluster.inject(Fault("GET", "*", Redirect(f"http://{elsewhere.host}/")))
        failure = await failure_of(leases.read())
        assert failure.kind is ErrorKind.BAD_CONTENT
        assert not elsewhere.received


async def test_a_proxy_of_the_environment_is_not_used(
    leases: PodLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API is in the cluster, and its token too."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{closed_port()}")
    assert await leases.read() is None


async def test_an_api_that_is_gone_is_found_again(cluster: ClusterApi, leases: PodLeases) -> None:
    """Refused meanwhile, and asked over a new connection when it is back."""
    await written(leases)
    async with cluster.down():
        assert (await failure_of(leases.read())).kind is ErrorKind.NETWORK
    assert await leases.read() is not None


async def test_an_api_that_takes_connections_and_says_nothing_is_given_up(account: Path) -> None:
    """Also before TLS is through."""
    async with RawPort(manner=Manner.SILENT) as port:
        pod = Pod(f"https://{port.host}", "a", account)
        async with ApiClient(pod.url, pod.ca_file, HASTY) as api:
            failure = await failure_of(PodLeases(api, pod, NAMESPACE, LEASE).read())
    assert failure.kind is ErrorKind.TIMEOUT


async def test_only_the_clusters_own_ca_is_believed(
    cluster: ClusterApi, leases: PodLeases, account: Path, authority: Authority, tmp_path: Path
) -> None:
    """Another is refused before a token is sent; a file that was replaced is read again."""
    stranger = Authority.stranger(tmp_path / "stranger")
    shutil.copyfile(stranger.ca_file, account / "ca.crt")
    failure = await failure_of(leases.read())
    assert failure.kind is ErrorKind.TLS
    assert "does not verify" in str(failure)
    assert cluster.requests == []
    shutil.copyfile(authority.ca_file, account / "ca.crt")
    assert await leases.read() is None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["none", "empty", "text"])
async def test_a_ca_file_that_cannot_be_used_is_named(
    leases: PodLeases, account: Path, content: bytes | None
) -> None:
    """Nothing is sent without it."""
    (account / "ca.crt").unlink()
    if content is not None:
        (account / "ca.crt").write_bytes(content)
    failure = await failure_of(leases.read())
    assert failure.kind is ErrorKind.CONFIG
    assert str(account / "ca.crt") in str(failure)


async def test_a_token_that_cannot_be_sent_is_not_shown(leases: PodLeases, account: Path) -> None:
    """It is a secret all the same."""
    (account / "token").write_bytes(b"secret\nX-Evil: 1")
    failure = await failure_of(leases.read())
    assert failure.kind is ErrorKind.CONFIG
    assert "secret" not in f"{failure} {failure!r}"


async def test_replicas_relieve_each_other_over_the_wire(
    cluster: ClusterApi, account: Path
) -> None:
    """One works, gives the Lease back, and the other has it at the next look."""
    order: list[str] = []

    async def contend(name: str, held: anyio.Event) -> None:
        async def work() -> None:
            order.append(name)
            held.set()

        pod, told = Pod(cluster.url, name, account), list[Event]()
        async with ApiClient(pod.url, pod.ca_file) as api:
            leases = PodLeases(api, pod, NAMESPACE, LEASE)
            await Election(leases, name, 10.0, told.append).run(work)

    first, second = anyio.Event(), anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(contend, "a", first)
            await first.wait()
            tasks.start_soon(contend, "b", second)
    assert order == ["a", "b"]
    spec = cluster.leases[LEASE]["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("", 1)


class Canned:
    """An API that always says the same."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def ask(self, method: str, path: str, *, token: str, content: bytes = b"") -> Answer:
        return self._answer

    def token(self, *, fresh: bool = False) -> str:
        return ""


_leaf = st.none() | st.text() | st.integers() | st.lists(st.text())
_shapes = st.fixed_dictionaries(
    {"metadata": st.dictionaries(st.sampled_from(["resourceVersion", "name"]), _leaf) | _leaf},
    optional={"spec": st.dictionaries(st.sampled_from(["holderIdentity", "renewTime"]), _leaf)},
)


@given(
    code=st.sampled_from([200, 201, 401, 403, 404, 409, 500]),
    body=st.binary() | _shapes.map(lambda shape: json.dumps(shape).encode()),
)
def test_any_answer_gives_a_record_or_one_of_our_errors(code: int, body: bytes) -> None:
    """Whatever stands in it."""
    canned = Canned(Answer(code, body))
    leases = PodLeases(canned, canned, NAMESPACE, LEASE)

    async def outcome(asked: Awaitable[Record | None]) -> str | None:
        try:
            record = await asked
        except ApiError as error:
            return str(error)
        return record.version if record else None

    async def ask() -> None:
        for call in (leases.read(), leases.write(CLAIM)):
            told = await outcome(call)
            assert told is None or told

    anyio.run(ask)
