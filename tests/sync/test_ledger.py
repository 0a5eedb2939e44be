"""What is remembered, for how long, and what happens to a ledger that cannot be used."""

import json
from collections.abc import Sequence

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, ImageSyncError
from image_sync.events import Event, Warned
from image_sync.oci import AllPlatforms, Digest, OnePlatform, Platform
from image_sync.sync import Ledger, ledger
from image_sync.sync.ledger import VERSION, Pair
from tests.clock import START, VIRTUAL_TIME, Backend, NothingWillHappen, run_virtually
from tests.sync.scene import AMD64, make_spec

pytestmark = pytest.mark.anyio
TODAY = 20_000
SPEC = make_spec()
X, Y, Z = (Digest.of(name) for name in (b"x", b"y", b"z"))


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


class Shelf:
    """Documents in memory, as several instances see them."""

    def __init__(self, **documents: bytes | Exception) -> None:
        self.own = "own"
        self.documents = dict(documents)
        self.closed: ImageSyncError | None = None
        self.writes = 0

    async def names(self) -> list[str]:
        return sorted(self.documents, key=lambda name: (name != self.own, name))

    async def read(self, name: str) -> bytes | None:
        document = self.documents[name]
        if isinstance(document, Exception):
            raise document
        return document

    async def write(self, document: bytes) -> None:
        self.writes += 1
        if self.closed:
            raise self.closed
        self.documents[self.own] = document

    def pairs(self, name: str = "own") -> list[list[object]]:
        """The pairs of a document that was written."""
        document = self.documents[name]
        assert isinstance(document, bytes)
        pairs = json.loads(document)["pairs"]
        assert isinstance(pairs, list)
        return pairs


def pair(source: Digest = X, expected: Digest = Y, day: int = TODAY) -> Pair:
    repository, platforms = str(SPEC.source.repository), str(SPEC.platforms)
    return Pair(repository, platforms, str(source), str(expected), day)


def document(*pairs: Pair, version: int = VERSION) -> bytes:
    return msgspec.json.encode({"version": version, "pairs": pairs})


async def loaded(
    shelf: Shelf | None, events: list[Event] | None = None, today: int = TODAY
) -> Ledger:
    remembering = Ledger(shelf, (events if events is not None else []).append, lambda: today)
    await remembering.load()
    return remembering


def warnings(events: Sequence[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


async def test_a_pair_is_remembered_by_the_next_process() -> None:
    """Recorded, saved, loaded, found; what nobody recorded is not known."""
    shelf = Shelf()
    first = await loaded(shelf)
    assert await first.expected(SPEC, X, convert=False) is None
    first.record(SPEC, X, Y, convert=False)
    assert await first.expected(SPEC, X, convert=False) == Y
    await first.save()
    second = await loaded(shelf)
    assert await second.expected(SPEC, X, convert=False) == Y
    assert await second.expected(SPEC, Z, convert=False) is None


async def test_a_pair_holds_for_its_repository_digest_platforms_and_conversion_alone() -> None:
    """Another platform set is another question, and so is what it becomes when converted."""
    remembering = await loaded(Shelf(other=document(pair())))
    arm64 = OnePlatform(Platform("linux", "arm64"))
    assert await remembering.expected(make_spec(platforms=arm64), X, convert=False) is None
    assert await remembering.expected(make_spec(platforms=AllPlatforms()), X, convert=False) is None
    assert await remembering.expected(make_spec(source="other.test"), X, convert=False) is None
    assert (
        await remembering.expected(make_spec(tag="other", platforms=AMD64), X, convert=False) == Y
    )


async def test_an_image_is_remembered_converted_and_as_it_was_side_by_side() -> None:
    """Neither erases the other, in memory or in the document."""
    shelf = Shelf()
    first = await loaded(shelf)
    first.record(SPEC, X, Y, convert=False)
    first.record(SPEC, X, Z, convert=True)
    await first.save()
    second = await loaded(shelf)
    assert await second.expected(SPEC, X, convert=False) == Y
    assert await second.expected(SPEC, X, convert=True) == Z


async def test_a_document_of_the_first_version_is_read_and_replaced_with_the_next_write() -> None:
    """Its pairs are such as were not converted; reading it alone is no reason to write."""
    old = msgspec.json.encode({"version": 1, "pairs": [msgspec.to_builtins(pair())[:5]]})
    shelf = Shelf(own=old, theirs=old)
    remembering = await loaded(shelf)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    assert await remembering.expected(SPEC, X, convert=True) is None
    await remembering.save()
    assert shelf.documents["own"] == old
    remembering.record(SPEC, Z, Y, convert=True)
    await remembering.save()
    written = shelf.documents["own"]
    assert isinstance(written, bytes)
    assert json.loads(written)["version"] == VERSION
    assert {(entry[2], entry[5]) for entry in shelf.pairs()} == {(str(X), False), (str(Z), True)}
    assert shelf.documents["theirs"] == old


async def test_nothing_is_written_while_nothing_changes() -> None:
    """A pass over unchanged images leaves the cache alone."""
    shelf = Shelf(own=document(pair(day=TODAY - 6)))
    remembering = await loaded(shelf)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    remembering.record(SPEC, X, Y, convert=False)
    await remembering.save()
    assert shelf.writes == 0


@pytest.mark.parametrize("day", [TODAY - 7, TODAY - 29, TODAY + 5])
async def test_a_pair_in_use_is_refreshed_weekly(day: int) -> None:
    """So that others see that it is in use; a day in the future is a clock that was wrong."""
    shelf = Shelf(own=document(pair(day=day)))
    remembering = await loaded(shelf)
    await remembering.expected(SPEC, X, convert=False)
    await remembering.save()
    assert shelf.pairs() == [msgspec.to_builtins(pair(day=TODAY))]


async def test_a_pair_that_nobody_used_for_thirty_days_is_dropped() -> None:
    """And that alone is a reason to write."""
    shelf = Shelf(own=document(pair(X, day=TODAY - 31), pair(Z, day=TODAY - 30)))
    remembering = await loaded(shelf)
    await remembering.save()
    assert shelf.pairs() == [msgspec.to_builtins(pair(Z, day=TODAY - 30))]
    await remembering.save()
    assert shelf.writes == 1


async def test_an_old_pair_that_is_used_again_stays() -> None:
    """It is true, however old it is."""
    shelf = Shelf(own=document(pair(day=TODAY - 100)))
    remembering = await loaded(shelf)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    await remembering.save()
    assert shelf.pairs() == [msgspec.to_builtins(pair(day=TODAY))]


async def test_instances_use_each_others_pairs_and_do_not_erase_them() -> None:
    """Each writes its own document, with what it used itself and nothing else."""
    shelf = Shelf(theirs=document(pair(X, Y), pair(Z, Y)))
    remembering = await loaded(shelf)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    await remembering.save()
    assert shelf.pairs("own") == [msgspec.to_builtins(pair(X, Y))]
    assert len(shelf.pairs("theirs")) == 2


async def test_what_is_written_does_not_depend_on_the_order_of_things() -> None:
    """The same pairs are the same bytes, and so the same blob."""
    written = []
    for order in ([X, Z, Y], [Y, X, Z]):
        shelf = Shelf()
        remembering = await loaded(shelf)
        for digest in order:
            remembering.record(SPEC, digest, Y, convert=False)
        await remembering.save()
        written.append(shelf.documents["own"])
    assert written[0] == written[1]


async def test_a_ledger_has_a_bound_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dropped costs a manifest GET, and no memory."""
    monkeypatch.setattr(ledger, "MAX_PAIRS", 3)
    digests = [Digest.of(bytes([number])) for number in range(5)]
    old = [pair(digest, day=TODAY - 10 + number) for number, digest in enumerate(digests[:4])]
    shelf = Shelf(own=document(*old))
    remembering = await loaded(shelf)
    remembering.record(SPEC, digests[4], Y, convert=False)
    await remembering.save()
    assert {entry[2] for entry in shelf.pairs()} == {str(digest) for digest in digests[2:]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(document(version=VERSION + 1), id="newer"),
        pytest.param(b"{", id="torn"),
        pytest.param(b"root:x:0:0", id="some file"),
        pytest.param(document(Pair("a", "b", "not a digest", str(Y), 1)), id="no digest"),
        pytest.param(ValueError("it is something else"), id="something else"),
        pytest.param(ImageSyncError("wrong bytes", ErrorKind.BAD_CONTENT), id="wrong bytes"),
    ],
)
async def test_a_document_that_cannot_be_used_is_left_alone_and_warned_of_once(
    content: bytes | Exception,
) -> None:
    """Our own is never overwritten then; somebody else's does not keep us from writing ours."""
    events: list[Event] = []
    mine = Shelf(own=content, theirs=document(pair()))
    remembering = await loaded(mine, events)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    await remembering.save()
    assert mine.writes == 0
    [warning] = warnings(events)
    assert "own" in warning
    events.clear()
    theirs = Shelf(a=content, b=content, c=document(pair()))
    remembering = await loaded(theirs, events)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    await remembering.save()
    assert theirs.writes == 1
    assert len(warnings(events)) == 1


@pytest.mark.parametrize("where", ["list", "document"])
async def test_a_place_that_cannot_be_read_is_warned_of_and_not_written(where: str) -> None:
    """What is there could be lost; images are checked all the same."""
    down = ImageSyncError("connection refused", ErrorKind.NETWORK)
    events: list[Event] = []

    class Closed(Shelf):
        async def names(self) -> list[str]:
            raise down

    shelf = Closed() if where == "list" else Shelf(own=down)
    remembering = await loaded(shelf, events)
    remembering.record(SPEC, X, Y, convert=False)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    await remembering.save()
    assert shelf.writes == 0
    [warning] = warnings(events)
    assert "connection refused" in warning


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(KeyError("nobody\nthought of this"), id="bug"),
        pytest.param(OSError(5, "input/output error"), id="system"),
        pytest.param(ExceptionGroup("tasks", [KeyError("of this")]), id="group"),
    ],
)
@pytest.mark.parametrize("when", ["list", "read", "write"])
async def test_no_failure_of_a_place_ends_a_pass(when: str, failure: Exception) -> None:
    """Not even one that nobody foresaw: it is one warning, on one line, that names it."""
    events: list[Event] = []

    class Broken(Shelf):
        async def names(self) -> list[str]:
            if when == "list":
                raise failure
            return await super().names()

        async def write(self, document: bytes) -> None:
            raise failure

    shelf = Broken(own=failure) if when == "read" else Broken()
    remembering = await loaded(shelf, events)
    remembering.record(SPEC, X, Y, convert=False)
    await remembering.save()
    assert await remembering.expected(SPEC, X, convert=False) == Y
    [warning] = warnings(events)
    assert f"cannot be {'written' if when == 'write' else 'read'}" in warning
    assert "of this" in warning or "input/output" in warning
    assert "TaskGroup" not in warning
    assert "\n" not in warning


async def test_saving_takes_no_longer_than_it_may() -> None:
    """A cache that falls silent at the end is one warning, also if the next pass tries again."""

    class Silent(Shelf):
        async def write(self, document: bytes) -> None:
            self.writes += 1
            await anyio.sleep_forever()

    events: list[Event] = []
    shelf = Silent()
    remembering = await loaded(shelf, events)
    for digest, seconds in ((X, 7.0), (Z, 7.0)):
        remembering.record(SPEC, digest, Y, convert=False)
        await remembering.save(seconds)
    assert anyio.current_time() == START + 14.0
    assert shelf.writes == 2
    [warning] = warnings(events)
    assert "cannot be written: it took longer than 7 s" in warning


async def test_a_place_that_cannot_be_written_is_warned_of_once() -> None:
    """The next passes of the same process try again, and what they write is all of it."""
    events: list[Event] = []
    shelf = Shelf()
    shelf.closed = ImageSyncError("read-only", ErrorKind.DENIED)
    remembering = await loaded(shelf, events)
    for digest in (X, Z):
        remembering.record(SPEC, digest, Y, convert=False)
        await remembering.save()
    assert shelf.writes == 2
    [warning] = warnings(events)
    assert "read-only" in warning
    shelf.closed = None
    await remembering.save()
    again = await loaded(shelf, events)
    assert await again.expected(SPEC, X, convert=False) == Y
    assert await again.expected(SPEC, Z, convert=False) == Y
    assert len(warnings(events)) == 1


async def test_a_place_that_could_not_be_read_is_read_before_it_is_written() -> None:
    """The cache was down when the process began: nothing that it holds is lost."""
    events: list[Event] = []
    shelf = Shelf(own=ImageSyncError("connection refused", ErrorKind.NETWORK))
    remembering = await loaded(shelf, events)
    assert len(warnings(events)) == 1
    shelf.documents["own"] = document(pair())
    remembering.record(SPEC, Z, Y, convert=False)
    await remembering.save()
    assert shelf.writes == 1
    again = await loaded(shelf, events)
    assert await again.expected(SPEC, X, convert=False) == Y
    assert await again.expected(SPEC, Z, convert=False) == Y


async def test_without_a_place_pairs_last_as_long_as_the_process() -> None:
    """`ledger: none` needs no loading and says nothing."""
    events: list[Event] = []
    remembering = Ledger(None, events.append, lambda: TODAY)
    assert await remembering.expected(SPEC, X, convert=False) is None
    remembering.record(SPEC, X, Y, convert=False)
    assert await remembering.expected(SPEC, X, convert=False) == Y
    await remembering.save()
    assert events == []


async def test_a_question_waits_until_the_ledger_is_loaded() -> None:
    """Else the first images of every pass would cost a pull each."""
    remembering = Ledger(Shelf(theirs=document(pair())), lambda _: None, lambda: TODAY)
    answers: list[Digest | None] = []

    async def ask() -> None:
        answers.append(await remembering.expected(SPEC, X, convert=False))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.sleep(5)
        assert answers == []
        await remembering.load()
    assert answers == [Y]


def test_a_question_is_not_left_waiting_by_a_load_that_is_cut_off() -> None:
    """A pass that is stopped early does not hang."""

    class Slow(Shelf):
        async def names(self) -> list[str]:
            await anyio.sleep_forever()
            raise NothingWillHappen

    async def scenario() -> Digest | None:
        remembering = Ledger(Slow(), lambda _: None, lambda: TODAY)
        with anyio.move_on_after(10):
            await remembering.load()
        return await remembering.expected(SPEC, X, convert=False)

    assert run_virtually(scenario) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "pairs"]) | st.text(max_size=5), inner, max_size=4
        )
    ),
    max_leaves=20,
)
_DOCUMENTS = st.one_of(
    st.binary(max_size=200),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda pairs: json.dumps({"version": VERSION, "pairs": pairs}).encode(),
        st.lists(st.lists(_JSON, min_size=4, max_size=6) | _JSON, max_size=3),
    ),
    st.integers(1, 5_000).map(lambda depth: b'{"version":1,"x":' + b"[" * depth),
    st.integers(1, 5_000).map(lambda depth: b'{"version":1,"x":' + b'{"y":' * depth),
)


@given(_DOCUMENTS)
def test_any_bytes_are_a_ledger_or_a_warning(content: bytes) -> None:
    """Whatever stands in a document, loading ends well and others' pairs are still known."""

    async def scenario() -> None:
        events: list[Event] = []
        shelf = Shelf(bad=content, good=document(pair()))
        remembering = await loaded(shelf, events)
        assert await remembering.expected(SPEC, X, convert=False) == Y
        assert len(warnings(events)) <= 1
        await remembering.save()
        assert shelf.writes == 1

    run_virtually(scenario)


_FACTS = st.dictionaries(st.integers(0, 5), st.integers(0, 5), max_size=6)


@given(
    facts=_FACTS,
    shares=st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(TODAY - 40, TODAY + 3)))),
    order=st.randoms(use_true_random=False),
)
def test_the_answer_does_not_depend_on_who_wrote_first(
    facts: dict[int, int],
    shares: list[list[tuple[int, int]]],
    order: object,
) -> None:
    """Documents that agree give the same answers in any order, however they share the facts."""

    def digest(number: int) -> Digest:
        return Digest.of(bytes([number]))

    documents = [
        document(*(pair(digest(n), digest(facts[n]), day) for n, day in share if n in facts))
        for share in shares
    ]
    shuffled = list(documents)
    order.shuffle(shuffled)  # type: ignore[attr-defined]

    async def answers(contents: list[bytes]) -> list[Digest | None]:
        shelf = Shelf(**{f"d{n}": content for n, content in enumerate(contents)})
        remembering = await loaded(shelf)
        return [await remembering.expected(SPEC, digest(n), convert=False) for n in range(6)]

    found = run_virtually(lambda: answers(documents))
    assert found == run_virtually(lambda: answers(shuffled))
    assert all(y in (None, digest(facts[n])) for n, y in enumerate(found) if n in facts)
