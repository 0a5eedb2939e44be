"""What is done about an image, row by row of docs/design.md, "How an image is decided".

X is the digest at the source, C the one in the cache, Y the one the cache should hold.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, ImageSyncError, RegistryError, Side
from image_sync.model import Endpoint, ImageSpec, Reason, TlsPolicy, Verdict
from image_sync.oci import (
    AllPlatforms,
    Digest,
    Manifest,
    OnePlatform,
    Platform,
    PlatformChoice,
    PlatformList,
    Repository,
)
from image_sync.oci.mediatypes import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from image_sync.sync.plan import (
    Absent,
    Ask,
    Copy,
    Derive,
    Fail,
    Held,
    Keep,
    NotAsked,
    SourceAnswer,
    Step,
    TargetAnswer,
    Unknown,
    choose,
    decide,
)

X, Y, OLD = (Digest.of(name) for name in (b"X", b"Y", b"old"))
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
ONE = OnePlatform(AMD64)
ALL = AllPlatforms()
BOTH = PlatformList.of([AMD64, ARM64])

INDEX_X, IMAGE_X = Held(X, OCI_INDEX), Held(X, OCI_MANIFEST)


def down(side: Side) -> Unknown:
    """One side did not answer."""
    return Unknown(RegistryError("connection refused", ErrorKind.NETWORK, side=side))


SOURCE_DOWN, TARGET_DOWN = down(Side.SOURCE), down(Side.TARGET)


def spec(platforms: PlatformChoice = ONE, *, pin: Digest | None = None) -> ImageSpec:
    """An image of Docker Hub, kept in a cache."""
    tag = f"1.27@{pin}" if pin else "1.27"
    repository = Repository.parse("docker.io/library/nginx")
    cache = Repository.parse("cache.example/nginx")
    return ImageSpec(
        image="docker.io/library/nginx",
        tag=tag,
        source=Endpoint(Side.SOURCE, repository, TlsPolicy.VERIFY),
        source_tag="1.27",
        pin=pin,
        target=Endpoint(Side.TARGET, cache, TlsPolicy.LENIENT),
        target_tag="1.27",
        platforms=platforms,
    )


@pytest.mark.parametrize(
    ("platforms", "source", "target", "known", "step"),
    [
        # X, all platforms or a single manifest: Y = X
        pytest.param(ALL, INDEX_X, Held(X, OCI_INDEX), None, Keep(X), id="all-same"),
        pytest.param(
            ALL, INDEX_X, Held(OLD, OCI_INDEX), None, Copy(X, Verdict.CHANGED), id="all-moved"
        ),
        pytest.param(ALL, INDEX_X, Absent(), None, Copy(X, Verdict.MISSING), id="all-missing"),
        pytest.param(
            ALL, Held(X, ""), Absent(), None, Copy(X, Verdict.MISSING), id="all-of-no-known-type"
        ),
        pytest.param(ONE, IMAGE_X, Held(X, OCI_MANIFEST), None, Keep(X), id="single-same"),
        pytest.param(
            ONE,
            Held(X, DOCKER_MANIFEST),
            Held(OLD, DOCKER_MANIFEST),
            None,
            Copy(X, Verdict.CHANGED),
            id="single-docker-moved",
        ),
        pytest.param(ONE, IMAGE_X, Absent(), None, Copy(X, Verdict.MISSING), id="single-missing"),
        pytest.param(BOTH, IMAGE_X, Held(X, OCI_MANIFEST), None, Keep(X), id="single-for-a-list"),
        # X an index, one platform or a list: Y from the ledger
        pytest.param(ONE, INDEX_X, Held(Y, OCI_MANIFEST), Y, Keep(Y), id="one-remembered-same"),
        pytest.param(
            ONE,
            INDEX_X,
            Held(OLD, OCI_MANIFEST),
            Y,
            Copy(Y, Verdict.CHANGED),
            id="one-remembered-moved",
        ),
        pytest.param(
            ONE, INDEX_X, Absent(), Y, Copy(Y, Verdict.MISSING), id="one-remembered-missing"
        ),
        pytest.param(
            ONE,
            INDEX_X,
            Held(X, OCI_INDEX),
            Y,
            Copy(Y, Verdict.CHANGED),
            id="one-wanted-but-the-whole-index-is-there",
        ),
        pytest.param(BOTH, INDEX_X, Held(X, OCI_INDEX), X, Keep(X), id="list-remembered-same"),
        # the same, not in the ledger: one GET
        pytest.param(ONE, INDEX_X, Held(Y, OCI_MANIFEST), None, Derive(X), id="one-unknown"),
        pytest.param(
            ONE, Held(X, DOCKER_LIST), Absent(), None, Derive(X), id="docker-list-unknown"
        ),
        pytest.param(BOTH, INDEX_X, Held(X, OCI_INDEX), None, Derive(X), id="list-unknown"),
        pytest.param(
            ONE, Held(X, ""), Held(X, OCI_INDEX), None, Derive(X), id="type-known-from-the-cache"
        ),
        pytest.param(ONE, Held(X, ""), Absent(), None, Derive(X), id="type-unknown"),
        pytest.param(
            ONE, Held(X, "text/html"), Held(OLD, OCI_MANIFEST), None, Derive(X), id="type-useless"
        ),
        pytest.param(
            ONE, Held(X, ""), Held(X, OCI_MANIFEST), None, Keep(X), id="cache-says-it-is-single"
        ),
        pytest.param(
            ONE,
            Held(X, ""),
            Held(OLD, OCI_MANIFEST),
            None,
            Derive(X),
            id="the-type-of-another-digest-says-nothing",
        ),
    ],
)
def test_both_sides_answered(
    platforms: PlatformChoice,
    source: SourceAnswer,
    target: TargetAnswer,
    known: Digest | None,
    step: Step,
) -> None:
    """Kept if C is Y, copied if it is not, and Y is found out where it is not known."""
    assert decide(spec(platforms), source, target, known, convert=False) == step


@pytest.mark.parametrize(
    ("platforms", "target", "known", "step"),
    [
        pytest.param(ALL, Held(X, OCI_INDEX), None, Keep(X), id="all-of-it-is-there"),
        pytest.param(ONE, Held(X, OCI_MANIFEST), None, Keep(X), id="a-single-image-is-there"),
        pytest.param(ONE, Held(Y, OCI_MANIFEST), Y, Keep(Y), id="the-remembered-child-is-there"),
        pytest.param(ONE, Held(X, OCI_INDEX), None, Ask(), id="an-index-instead-of-a-platform"),
        pytest.param(ONE, Held(X, ""), None, Ask(), id="of-a-type-that-is-not-known"),
        pytest.param(ONE, Held(Y, OCI_MANIFEST), None, Ask(), id="a-child-not-remembered"),
        pytest.param(ONE, Held(OLD, OCI_MANIFEST), Y, Ask(), id="another-than-remembered"),
        pytest.param(ALL, Held(OLD, OCI_INDEX), None, Ask(), id="another-than-pinned"),
        pytest.param(ALL, Absent(), None, Ask(), id="nothing"),
    ],
)
def test_a_pinned_image_asks_the_source_only_if_it_must(
    platforms: PlatformChoice, target: TargetAnswer, known: Digest | None, step: Step
) -> None:
    """X is in the configuration: if the cache holds Y, the source is left alone."""
    assert decide(spec(platforms, pin=X), NotAsked(), target, known, convert=False) == step


@pytest.mark.parametrize(
    ("platforms", "source", "target", "known", "step"),
    [
        pytest.param(ONE, IMAGE_X, Held(X, OCI_MANIFEST), None, Keep(X), id="nothing-of-docker's"),
        pytest.param(
            ALL, IMAGE_X, Absent(), None, Copy(X, Verdict.MISSING), id="nothing-of-docker's-missing"
        ),
        pytest.param(
            ONE, Held(X, ""), Held(X, OCI_MANIFEST), None, Keep(X), id="the-cache-knows-the-type"
        ),
        pytest.param(ONE, Held(X, DOCKER_MANIFEST), Absent(), None, Derive(X), id="single-unknown"),
        pytest.param(
            ONE,
            Held(X, DOCKER_MANIFEST),
            Held(X, DOCKER_MANIFEST),
            None,
            Derive(X),
            id="kept-as-it-was",
        ),
        pytest.param(
            ALL, INDEX_X, Held(X, OCI_INDEX), None, Derive(X), id="an-index-may-hide-some"
        ),
        pytest.param(ALL, Held(X, ""), Absent(), None, Derive(X), id="all-of-no-known-type"),
        pytest.param(
            ALL, Held(X, DOCKER_LIST), Held(Y, OCI_INDEX), Y, Keep(Y), id="remembered-same"
        ),
        pytest.param(
            ALL,
            Held(X, DOCKER_LIST),
            Held(X, DOCKER_LIST),
            Y,
            Copy(Y, Verdict.CHANGED),
            id="remembered-but-kept-as-it-was",
        ),
        pytest.param(
            ONE, Held(X, DOCKER_MANIFEST), Absent(), Y, Copy(Y, Verdict.MISSING), id="remembered"
        ),
    ],
)
def test_where_docker_s_types_are_converted_x_decides_alone_only_if_it_has_none(
    platforms: PlatformChoice,
    source: SourceAnswer,
    target: TargetAnswer,
    known: Digest | None,
    step: Step,
) -> None:
    """A single manifest of the OCI's is its own Y; all else is found out, and remembered."""
    assert decide(spec(platforms), source, target, known, convert=True) == step


@pytest.mark.parametrize(
    ("platforms", "target", "known", "step"),
    [
        pytest.param(ONE, Held(X, OCI_MANIFEST), None, Keep(X), id="nothing-of-docker's"),
        pytest.param(ONE, Held(Y, OCI_MANIFEST), Y, Keep(Y), id="converted-and-remembered"),
        pytest.param(ALL, Held(X, DOCKER_LIST), None, Ask(), id="kept-as-it-was"),
        pytest.param(ALL, Held(X, DOCKER_LIST), Y, Ask(), id="kept-although-remembered"),
        pytest.param(ALL, Held(X, OCI_INDEX), None, Ask(), id="an-index-may-hide-some"),
    ],
)
def test_a_pinned_image_that_is_converted_asks_the_source_only_if_it_must(
    platforms: PlatformChoice, target: TargetAnswer, known: Digest | None, step: Step
) -> None:
    """The same for a pin."""
    assert decide(spec(platforms, pin=X), NotAsked(), target, known, convert=True) == step


FAILURES = [
    pytest.param(SOURCE_DOWN, Held(X, OCI_INDEX), Reason.SOURCE_UNKNOWN, id="source-down"),
    pytest.param(SOURCE_DOWN, Absent(), Reason.SOURCE_UNKNOWN, id="source-down-and-cache-empty"),
    pytest.param(SOURCE_DOWN, TARGET_DOWN, Reason.TARGET_UNKNOWN, id="both-down-is-the-cache"),
    pytest.param(Absent(), Held(X, OCI_INDEX), Reason.SOURCE_GONE, id="gone-but-cached"),
    pytest.param(Absent(), Absent(), Reason.SOURCE_GONE, id="gone-and-not-cached"),
    pytest.param(Absent(), TARGET_DOWN, Reason.SOURCE_GONE, id="gone-and-cache-down"),
    pytest.param(INDEX_X, TARGET_DOWN, Reason.TARGET_UNKNOWN, id="cache-down"),
    pytest.param(IMAGE_X, TARGET_DOWN, Reason.TARGET_UNKNOWN, id="cache-down-single"),
]
SIDES = {
    Reason.SOURCE_UNKNOWN: Side.SOURCE,
    Reason.SOURCE_GONE: Side.SOURCE,
    Reason.TARGET_UNKNOWN: Side.TARGET,
}


@pytest.mark.parametrize("platforms", [ONE, ALL, BOTH], ids=["one", "all", "list"])
@pytest.mark.parametrize("known", [None, X], ids=["unknown", "remembered"])
@pytest.mark.parametrize(("source", "target", "reason"), FAILURES)
def test_nothing_is_copied_unless_both_sides_are_known(
    source: SourceAnswer,
    target: TargetAnswer,
    reason: Reason,
    platforms: PlatformChoice,
    known: Digest | None,
) -> None:
    """The failure names its side, and no manifest is fetched for it."""
    step = decide(spec(platforms), source, target, known, convert=False)
    assert isinstance(step, Fail)
    assert step.reason is reason
    assert isinstance(step.error, RegistryError)
    assert step.error.side is SIDES[reason]


def test_a_pinned_image_fails_with_its_cache() -> None:
    """The source is not asked about what could not be stored."""
    step = decide(spec(pin=X), NotAsked(), TARGET_DOWN, None, convert=False)
    assert step == Fail(Reason.TARGET_UNKNOWN, TARGET_DOWN.error)


def test_the_error_of_a_registry_is_passed_on() -> None:
    """Cause and kind are those of the side that failed."""
    assert decide(spec(), SOURCE_DOWN, Absent(), None, convert=False) == Fail(
        Reason.SOURCE_UNKNOWN, SOURCE_DOWN.error
    )


def test_a_tag_that_is_gone_says_so() -> None:
    """It names the reference, and that the cached tag stays (or that we may not see it)."""
    step = decide(spec(), Absent(), Absent(), None, convert=False)
    assert isinstance(step, Fail)
    assert step.error.kind is ErrorKind.NOT_FOUND
    assert "docker.io/library/nginx:1.27" in str(step.error)
    assert "the cached tag stays" in step.error.hint


def test_a_source_that_answers_a_pin_with_another_digest_is_not_believed() -> None:
    """Only what was pinned is ever copied."""
    step = decide(spec(ALL, pin=X), Held(OLD, OCI_INDEX), Absent(), None, convert=False)
    assert isinstance(step, Fail)
    assert step.reason is Reason.SOURCE_UNKNOWN
    assert step.error.kind is ErrorKind.BAD_CONTENT
    assert str(X) in str(step.error)
    assert str(OLD) in str(step.error)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [(Verdict.MISSING, Reason.MISSING), (Verdict.CHANGED, Reason.CHANGED)],
)
def test_a_copy_says_why(verdict: Verdict, reason: Reason) -> None:
    """The report's reason follows from the verdict."""
    assert Copy(X, verdict).reason is reason


def manifest(*children: tuple[str, str], media_type: str = OCI_INDEX) -> Manifest:
    """An index over children given as platform and name; attestations as `attests NAME`."""
    entries = []
    for platform, name in children:
        os, _, architecture = platform.partition("/")
        notes = {}
        if platform.startswith("attests "):
            os = architecture = "unknown"
            notes = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": str(Digest.of(platform[8:].encode())),
            }
        entries.append(
            {
                "mediaType": OCI_MANIFEST,
                "digest": str(Digest.of(name.encode())),
                "size": 1,
                "platform": {"os": os, "architecture": architecture},
                "annotations": notes,
            }
        )
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    return Manifest.parse(json.dumps(document).encode())


def single(media_type: str = OCI_MANIFEST) -> Manifest:
    """A manifest that is no index."""
    config = {"mediaType": "application/x", "digest": str(X), "size": 1}
    document = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []}
    return Manifest.parse(json.dumps(document).encode())


TWO = manifest(
    ("linux/amd64", "a"), ("linux/arm64", "b"), ("attests a", "c"), ("linux/amd64", "later")
)


@pytest.mark.parametrize("platforms", [ONE, ALL, BOTH], ids=["one", "all", "list"])
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_of_a_single_manifest_all_is_wanted(platforms: PlatformChoice, media_type: str) -> None:
    """There is nothing to choose; whether its platform is right is checked when it has arrived."""
    image = single(media_type)
    assert choose(spec(platforms), image) is image


def test_of_an_index_all_platforms_are_the_index_itself() -> None:
    """Y is X."""
    assert choose(spec(ALL), TWO) is TWO


def test_one_platform_is_the_first_child_for_it() -> None:
    """Later children for the same platform do not count."""
    assert choose(spec(ONE), TWO) == TWO.children[0]
    assert choose(spec(OnePlatform(ARM64)), TWO) == TWO.children[1]


def test_a_child_that_is_named_by_another_algorithm_is_not_taken_alone() -> None:
    """Y is a digest that every registry and puller knows; the error says what to do."""
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": str(Digest.of(b"a", "sha512")),
        "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    index = Manifest.parse(json.dumps(document).encode())
    with pytest.raises(RegistryError, match="only sha256 is kept") as caught:
        choose(spec(ONE), index)
    assert caught.value.kind is ErrorKind.UNSUPPORTED
    assert choose(spec(PlatformList.of([AMD64])), index) is index


def test_a_list_that_leaves_nothing_out_is_the_index_itself() -> None:
    """Attestations are no platform that could be left out."""
    assert choose(spec(BOTH), TWO) is TWO


def test_a_list_that_leaves_some_out_is_an_index_of_our_own() -> None:
    """Of every child for one of the platforms, and what attests them."""
    chosen = choose(spec(PlatformList.of([AMD64])), TWO)
    assert isinstance(chosen, Manifest)
    assert chosen.children == (TWO.children[0], *TWO.children[2:])


@pytest.mark.parametrize(
    ("platforms", "index", "offered"),
    [
        pytest.param(
            OnePlatform(Platform("linux", "s390x")), TWO, "linux/amd64, linux/arm64", id="one"
        ),
        pytest.param(
            PlatformList.of([AMD64, Platform("linux", "s390x")]),
            TWO,
            "linux/amd64, linux/arm64",
            id="one-of-a-list",
        ),
        pytest.param(ONE, manifest(), "no platforms at all", id="an-empty-index"),
        pytest.param(
            ONE, manifest(("unknown/unknown", "x")), "no platforms at all", id="only-unknown"
        ),
        pytest.param(ONE, manifest(("attests a", "x")), "no platforms", id="only-attestations"),
    ],
)
def test_a_platform_that_is_not_there_is_an_error(
    platforms: PlatformChoice, index: Manifest, offered: str
) -> None:
    """It names what was wanted and what there is, so that the configuration can be corrected."""
    with pytest.raises(RegistryError, match=offered) as caught:
        choose(spec(platforms), index)
    assert caught.value.kind is ErrorKind.NO_PLATFORM
    assert caught.value.side is Side.SOURCE
    assert str(platforms) in str(caught.value)


digests = st.sampled_from([X, Y, OLD])
types = st.sampled_from([OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, "", "text/html"])
held = st.builds(Held, digests, types)
errors = st.builds(ImageSyncError, st.just("did not say"), st.sampled_from([*ErrorKind])).map(
    Unknown
)
targets = st.one_of(held, st.just(Absent()), errors)
sources = st.one_of(targets, st.just(NotAsked()))
specs = st.builds(
    lambda platforms, pin: spec(platforms, pin=pin),
    st.sampled_from([ONE, ALL, BOTH]),
    st.none() | digests,
)


@given(specs, sources, targets, st.none() | digests, st.booleans())
def test_whatever_the_answers(
    image: ImageSpec,
    source: SourceAnswer,
    target: TargetAnswer,
    known: Digest | None,
    convert: bool,  # noqa: FBT001 - Hypothesis passes it
) -> None:
    """Nothing is copied while a side is unknown, nothing is kept unless the cache holds exactly
    what it should, nothing is copied that the cache holds already, and a pin is never left."""
    step = decide(image, source, target, known, convert=convert)
    unknown = isinstance(source, Unknown) or isinstance(target, Unknown)
    assert not unknown or isinstance(step, Fail)
    match step:
        case Keep(expected=expected):
            assert isinstance(target, Held)
            assert target.digest == expected
        case Copy(expected=expected, verdict=verdict):
            assert isinstance(source, Held)
            assert not isinstance(target, Held) or target.digest != expected
            assert (verdict is Verdict.MISSING) == isinstance(target, Absent)
            assert expected in {known, source.digest}
            assert image.pin in {None, source.digest}
        case Derive(source_digest=digest):
            assert isinstance(source, Held)
            assert digest == source.digest
            assert known is None
        case Ask():
            assert isinstance(source, NotAsked)
        case Fail(reason=reason):
            lied = isinstance(source, Held) and image.pin not in {None, source.digest}
            assert unknown or isinstance(source, Absent) or lied
            assert (reason is Reason.SOURCE_GONE) == isinstance(source, Absent)


@given(specs, held, held | st.just(Absent()), digests, st.booleans())
def test_what_was_derived_decides(
    image: ImageSpec,
    source: Held,
    target: TargetAnswer,
    expected: Digest,
    convert: bool,  # noqa: FBT001 - Hypothesis passes it
) -> None:
    """Once Y is known there is an end: no step asks for more."""
    step = decide(image, source, target, expected, convert=convert)
    assert isinstance(step, Keep | Copy | Fail)
