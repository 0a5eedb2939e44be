"""Slots, pauses and circuits on the wire."""

from collections.abc import AsyncIterator

import anyio
import pytest

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.events import CircuitOpened, Event, HostPaused, PullQuota
from image_sync.http import Http, Request
from image_sync.model import HostPolicy
from tests.hostile import (
    Composed,
    Fault,
    Gate,
    Held,
    HostileRegistry,
    HubAbuseLimit,
    HubQuota,
    Refusal,
    Stalled,
    TooManyRequests,
    WithExtraField,
    closed_port,
)
from tests.http.asking import CANARY, body_of, failure_of, get, kind_of, nothing
from tests.http.virtual import VirtualClock

pytestmark = pytest.mark.anyio


def paused(events: list[Event]) -> list[HostPaused]:
    return [event for event in events if isinstance(event, HostPaused)]


async def test_a_host_gets_no_more_at_once_than_it_may() -> None:
    """The third request of two waits for a slot; the target side has its own."""
    async with HostileRegistry() as registry:
        policies = {registry.host: HostPolicy(concurrency=2)}
        held = Held()
        registry.inject(Fault("GET", "*", held))
        async with (
            Http(policies=policies, emit=nothing) as http,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(5):
                tasks.start_soon(body_of, http, get(registry.host))
            await held.gate.reached(2)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(body_of, http, get(registry.host, side=Side.TARGET))
            await held.gate.reached(3)
            assert len(registry.requests) == 3
            held.gate.open()
        assert len(registry.requests) == 6


async def test_an_upload_whose_content_is_slow_to_come_keeps_nobody_waiting() -> None:
    """Streams have slots of their own, as many as the host may have; who only asks goes past."""
    async with HostileRegistry() as registry:
        gate = Gate()

        async def content() -> AsyncIterator[bytes]:
            yield b"x"
            await gate.hold()

        def upload() -> Request:
            stream, side = content(), Side.TARGET
            return get(registry.host, method="PATCH", content=stream, side=side)

        policies = {registry.host: HostPolicy(concurrency=2)}
        async with (
            Http(policies=policies, emit=nothing) as http,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(3):
                tasks.start_soon(body_of, http, upload())
            await gate.reached(2)
            with anyio.fail_after(5):
                for content_of_it in (None, b"content that is at hand"):
                    asked = get(registry.host, side=Side.TARGET, content=content_of_it)
                    assert (await body_of(http, asked))[0] == 200
            assert gate.arrivals == 2
            tasks.cancel_scope.cancel()


async def test_a_slot_is_held_until_the_body_is_done() -> None:
    """Headers alone do not free it."""
    async with HostileRegistry() as registry:
        policies = {registry.host: HostPolicy(concurrency=1)}
        async with Http(policies=policies, emit=nothing) as http:
            async with http.send(get(registry.host)):
                with anyio.move_on_after(0.05) as scope:
                    await body_of(http, get(registry.host))
                assert scope.cancelled_caught
            assert (await body_of(http, get(registry.host)))[0] == 200


async def test_a_slot_always_comes_back() -> None:
    """After cancellation in each phase, failures, 429s and errors of the caller."""
    async with HostileRegistry() as registry:
        policies = {registry.host: HostPolicy(concurrency=1)}
        stalled = Stalled()
        registry.inject(Fault("GET", "/v2/stalled", stalled))
        registry.inject(Fault("GET", "/v2/limited", TooManyRequests(1)))
        clock = VirtualClock()
        async with Http(policies=policies, emit=nothing, clock=clock) as http:
            async with anyio.create_task_group() as tasks:
                for _ in range(3):  # one in flight, two waiting
                    tasks.start_soon(body_of, http, get(registry.host, "/v2/stalled"))
                await stalled.gate.reached()
                tasks.cancel_scope.cancel()
            with pytest.raises(LookupError):
                async with http.send(get(registry.host)):
                    raise LookupError
            await failure_of(http, get(registry.host, "http://u:p@x/"))
            await failure_of(http, get(registry.host, "/v2/limited"))
            clock.now += 2.0
            with anyio.fail_after(5):
                assert (await body_of(http, get(registry.host)))[0] == 200


async def test_a_429_pauses_its_host_for_everyone() -> None:
    """Fault row 8: not one more request until it says, then requests again."""
    events: list[Event] = []
    clock = VirtualClock()
    async with (
        HostileRegistry() as registry,
        HostileRegistry() as other,
        Http(policies={}, emit=events.append, clock=clock) as http,
    ):
        registry.inject(Fault("*", "/v2/a", TooManyRequests(120), times=1))
        error = await failure_of(http, get(registry.host, "/v2/a", method="HEAD"))
        assert (error.kind, error.status, error.retry_after) == (ErrorKind.RATE_LIMITED, 429, 120.0)
        for method in ("GET", "HEAD", "PUT"):
            later = await failure_of(http, get(registry.host, "/v2/b", method=method))
            assert (later.kind, later.retry_after) == (ErrorKind.RATE_LIMITED, 120.0)
        assert len(registry.requests) == 1
        assert http.paused(registry.host) == 120.0
        assert (await body_of(http, get(other.host)))[0] == 200
        clock.now += 120.0
        assert (await body_of(http, get(registry.host)))[0] == 200
    assert [(event.host, event.seconds, event.pulls_only) for event in paused(events)] == [
        (registry.host, 120.0, False)
    ]


@pytest.mark.parametrize("retry_after", [60, None])
async def test_requests_in_flight_together_bring_one_piece_of_news(retry_after: int | None) -> None:
    """32 answers of 429 are one pause and one event, on a clock that moves between them."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        held = Held()
        registry.inject(Fault("GET", "*", Composed(held, TooManyRequests(retry_after))))
        async with anyio.create_task_group() as tasks:
            for _ in range(32):
                tasks.start_soon(failure_of, http, get(registry.host))
            await held.gate.reached(32)
            held.gate.open()
        assert http.paused(registry.host) <= 60.0
    assert len(paused(events)) == 1


async def test_waiters_for_a_slot_do_not_go_to_a_host_that_was_paused_meanwhile() -> None:
    """A burst in the queue is not sent after the 429 of its first request."""
    async with HostileRegistry() as registry:
        policies = {registry.host: HostPolicy(concurrency=1)}
        registry.inject(Fault("GET", "*", TooManyRequests(60)))
        kinds: list[ErrorKind] = []
        async with Http(policies=policies, emit=nothing) as http:

            async def ask() -> None:
                kinds.append(await kind_of(http, get(registry.host)))

            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(ask)
        assert kinds == [ErrorKind.RATE_LIMITED] * 20
        assert len(registry.requests) == 1


async def test_a_used_up_pull_quota_lets_heads_go_on() -> None:
    """Fault row 9: the quota is told, GETs that pull stop, HEADs do not."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        registry.store.put_image("a", "t")
        registry.inject(Fault("GET|HEAD", "/v2/*", HubQuota(limit=100, remaining=1)))
        pull = get(registry.host, "/v2/a/manifests/t", spends_pull=True)
        head = get(registry.host, "/v2/a/manifests/t", method="HEAD")
        assert (await body_of(http, pull))[0] == 200
        quota = http.quota(registry.host)
        assert quota is not None
        assert (quota.limit, quota.remaining) == (100, 0)
        assert await kind_of(http, pull) is ErrorKind.RATE_LIMITED
        sent = len(registry.requests)
        assert await kind_of(http, pull) is ErrorKind.RATE_LIMITED
        assert len(registry.requests) == sent
        assert (await body_of(http, head))[0] == 200
        assert http.paused(registry.host) == 0.0
        assert http.paused(registry.host, pulls=True) > 0.0
    assert [event.pulls_only for event in paused(events)] == [True]
    assert [event.remaining for event in events if isinstance(event, PullQuota)] == [0]


async def test_an_abuse_limit_stops_everything() -> None:
    """Fault row 10: plain text, no word of pulls; HEADs count there."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        registry.inject(Fault("GET", "*", HubAbuseLimit()))
        await failure_of(http, get(registry.host, spends_pull=True))
        assert await kind_of(http, get(registry.host, method="HEAD")) is ErrorKind.RATE_LIMITED
    assert [event.pulls_only for event in paused(events)] == [False]


async def test_a_limit_that_hits_a_head_is_not_the_pull_quotas() -> None:
    """Even if no pull is left: a HEAD costs none, so it must be the other limit."""
    limited = Composed(
        WithExtraField("ratelimit-limit", "100;w=21600"),
        WithExtraField("ratelimit-remaining", "0;w=21600"),
        TooManyRequests(60),
    )
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("HEAD", "*", limited))
        await failure_of(http, get(registry.host, method="HEAD"))
        assert http.paused(registry.host) > 0.0


async def test_a_429_with_a_hostile_body_is_a_429() -> None:
    """Control characters are escaped, size and end of the body do not matter."""
    events: list[Event] = []
    async with HostileRegistry() as registry, Http(policies={}, emit=events.append) as http:
        body = b"\x1b[2J\r\nfake line" + b"x" * 1_000_000
        registry.inject(Fault("GET", "*", TooManyRequests(None, body=body)))
        error = await failure_of(http, get(registry.host))
        assert error.retry_after == 60.0
        assert error.message.isprintable()
        assert len(error.message) < 1000
    assert all(event.why.isprintable() for event in paused(events))


async def test_a_tool_can_pause_a_host() -> None:
    """Its 429 counts like one of ours; what it said is escaped."""
    events: list[Event] = []
    async with Http(policies={}, emit=events.append, clock=VirtualClock()) as http:
        http.pause("h", None, "toomanyrequests\x1b[0m", pulls_only=True)
        assert http.paused("h", pulls=True) == 60.0
        assert http.paused("h") == 0.0
    assert events == [HostPaused("h", 60.0, True, "toomanyrequests\\x1b[0m")]


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_host_that_fails_for_three_repositories_is_left_alone(status: int) -> None:
    """Then one probe after some seconds, and ever more rarely, until one is answered."""
    events: list[Event] = []
    clock = VirtualClock()
    async with (
        HostileRegistry() as registry,
        Http(policies={}, emit=events.append, clock=clock) as http,
    ):
        fault = registry.inject(Fault("GET", "*", Refusal(status, "UNAVAILABLE")))
        for name in "abc":
            assert (await body_of(http, get(registry.host, repository=name)))[0] == status
        for _ in range(5):
            error = await failure_of(http, get(registry.host, repository="d"))
            assert error.kind is ErrorKind.UNAVAILABLE
            assert error.retry_after == 5.0
        assert len(registry.requests) == 3
        clock.now += 5.0
        registry.remove(fault)
        assert (await body_of(http, get(registry.host, repository="d")))[0] == 200
        assert (await body_of(http, get(registry.host, repository="e")))[0] == 200
    assert [event for event in events if isinstance(event, CircuitOpened)] == [
        CircuitOpened(registry.host, 5.0)
    ]


async def test_a_host_that_refuses_connections_is_left_alone_too() -> None:
    """Connecting and DNS count for every request, whatever its repository, but one request's tries
    as one; and what is said then is what the host failed with."""
    host = closed_port()
    async with Http(policies={}, emit=nothing, clock=VirtualClock()) as http:
        for path in ("/v2/a/1", "/v2/a/1", "/v2/a/1", "/v2/a/2", "/v2/a/3"):
            error = await failure_of(http, get(host, path, repository="a"))
            assert (error.kind, error.retry_after) == (ErrorKind.NETWORK, None)
        error = await failure_of(http, get(host, "/v2/a/4", repository="a"))
    assert (error.kind, error.retry_after) == (ErrorKind.NETWORK, 5.0)
    assert "connection refused" in error.message


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_an_answer_is_an_answer(status: int) -> None:
    """Everything else than a dead gateway leaves the circuit closed."""
    async with HostileRegistry() as registry, Http(policies={}, emit=nothing) as http:
        registry.inject(Fault("GET", "*", Refusal(status, "X")))
        got = [(await body_of(http, get(registry.host, repository=name)))[0] for name in "abcdef"]
    assert got == [status] * 6


async def test_a_refusal_without_a_request_shows_no_query() -> None:
    """Also errors that were never on the wire are redacted."""
    async with Http(policies={}, emit=nothing) as http:
        http.pause("h", 5.0, "x")
        with pytest.raises(RegistryError) as caught:
            async with http.send(get("h", f"/v2/?sig={CANARY}")):
                pass
    assert CANARY not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
