"""A pass over real images, from a real registry to a real cache, by real tools."""

from pathlib import Path

from tests.e2e.conftest import SOURCE_ADDRESS, set_up
from tests.e2e.program import Program
from tests.real import images
from tests.real.accounts import OPERATOR
from tests.real.content import index
from tests.real.podman import pull
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.real.tls import Authority
from tests.real.tools import bin_directory


def test_every_kind_of_image_arrives_under_its_digest_and_is_then_left_alone(
    program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """The first pass copies with every byte the same, the second spends HEADs only."""
    pushed = {
        kind: source.push(f"team/{kind}", "1", build(programs, "one"))
        for kind, build in images.KINDS.items()
    }
    for kind in pushed:
        program.add(source, f"team/{kind}", "1", platform="all")
    first = program.once()
    assert first.code == 0, first.stderr
    assert set(first.actions) == {"pulled"}
    assert {kind: cache.api.digest_of(f"team/{kind}", "1") for kind in pushed} == pushed
    source.recorder.clear()
    second = program.once()
    assert second.code == 0, second.stderr
    assert set(second.actions) == {"already_cached"}
    asked = [request.method for request in source.recorder.requests if request.status == 200]
    assert asked == ["HEAD"] * len(pushed)


def test_what_one_tool_cannot_copy_the_other_does(
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
    tmp_path: Path,
) -> None:
    """skopeo knows no nested index, which is a limit of its own: crane's turn, in one attempt."""
    nested = index([images.multi_platform(programs), images.with_attestations(programs)])
    digest = source.push("team/nested", "1", nested)
    tools = bin_directory(tmp_path / "bin", {"crane": "crane", "skopeo": "skopeo-1.18"})
    program = set_up(tmp_path, source, cache, tools, "skopeo")
    program.add(source, "team/nested", "1", platform="all")
    run = program.once()
    assert (run.code, run.only.engine, run.only.attempts) == (0, "crane", 1), run.stderr
    assert cache.api.digest_of("team/nested", "1") == digest


def test_one_platform_of_an_image_is_cached_once_and_not_copied_again(
    program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """The digest of an index is never compared with that of its child."""
    image = images.multi_platform(programs)
    source.push("team/app", "1", image)
    program.add(source, "team/app", "1", platform="linux/arm64")
    assert program.once().actions == ["pulled"]
    child = image.child("linux/arm64")
    assert cache.api.digest_of("team/app", "1") == child.digest
    source.recorder.clear()
    second = program.once()
    assert second.actions == ["already_cached"]
    assert second.only.remote_digest == image.digest
    assert second.only.expected_digest == second.only.cached_digest == child.digest
    assert source.recorder.manifest_gets() == []


def test_a_tag_that_moves_is_copied_and_no_other(
    program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Only what changed upstream costs anything."""
    for tag in ("1", "2", "3"):
        source.push("team/app", tag, images.multi_platform(programs, label=tag))
        program.add(source, "team/app", tag)
    assert program.once().actions == ["pulled"] * 3
    moved = images.multi_platform(programs, label="moved")
    source.push("team/app", "2", moved)
    source.recorder.clear()
    again = program.once()
    assert again.actions == ["already_cached", "pulled", "already_cached"]
    assert again.report.results[1].reason == "changed"
    assert cache.api.digest_of("team/app", "2") == moved.child("linux/amd64").digest
    foreign = [request.path for request in source.recorder.manifest_gets()]
    known = {moved.digest, *(child.digest for child in moved.children)}
    assert all(path.rpartition("/")[2] in known for path in foreign)


def test_a_tag_that_is_gone_upstream_fails_and_keeps_serving(
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Nothing is ever deleted from the cache (fault row 12)."""
    digest = source.push("team/app", "1", images.single(programs))
    crane_program.add(source, "team/app", "1")
    assert crane_program.once().actions == ["pulled"]
    source.api.delete_manifest("team/app", "1")
    gone = crane_program.once()
    assert gone.code == 1
    assert (gone.only.action, gone.only.reason) == ("failed", "source_gone")
    assert gone.only.error_kind == "not_found"
    assert cache.api.digest_of("team/app", "1") == digest


def test_what_was_cached_can_be_pulled(
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """podman takes a cached image from the cache."""
    image = images.multi_platform(programs)
    source.push("team/app", "1", image)
    crane_program.add(source, "team/app", "1")
    assert crane_program.once().code == 0
    assert pull(f"{cache.host}/team/app:1") == image.child("linux/amd64").digest


def test_a_source_with_tokens_is_asked_for_one(
    tmp_path: Path,
    authority: Authority,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """Checks and crane both get in; an unchanged image costs one token and one HEAD."""
    serving = Serving(
        address=SOURCE_ADDRESS,
        authority=authority,
        accounts=(OPERATOR,),
        token_auth=True,
        record=True,
    )
    with distribution(tmp_path / "source", serving) as source:
        digest = source.push("team/app", "1", images.single(programs))
        path = bin_directory(tmp_path / "bin", {"crane": "crane"})
        program = set_up(tmp_path, source, cache, path, "crane")
        program.add(source, "team/app", "1")
        first = program.once()
        assert (first.code, first.actions) == (0, ["pulled"]), first.stderr
        assert cache.api.digest_of("team/app", "1") == digest
        source.tokens.clear()
        source.recorder.clear()
        assert program.once().actions == ["already_cached"]
        assert len(source.tokens.requests) == 1
        asked = source.recorder.matching(None, "/v2/")
        assert [(request.method, request.status) for request in asked] == [
            ("HEAD", 401),
            ("HEAD", 200),
        ]


def test_images_named_as_arguments_need_no_file(
    tmp_path: Path,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """The cache is named by --cache, settings by the environment."""
    serving = Serving(address=SOURCE_ADDRESS)
    with distribution(tmp_path / "source", serving) as source:
        image = images.multi_platform(programs)
        source.push("team/app", "1", image)
        program = Program(
            tmp_path / "empty", cache.host, bin_directory(tmp_path / "bin", {"crane": "crane"})
        )
        program.environment["IMAGE_SYNC_SETTINGS__SOURCE_TLS_VERIFY"] = "false"
        run = program.run("--once", "--cache", cache.host, f"{source.host}/team/app:1")
        assert (run.code, run.actions) == (0, ["pulled"]), run.stderr
        kept = run.only.target.partition("/")[2].removesuffix(":1")
        assert cache.api.digest_of(kept, "1") == image.child("linux/amd64").digest


def test_an_image_of_another_platform_is_unsuitable_and_moves_no_tag(
    crane_program: Program,
    source: RunningRegistry,
    cache: RunningRegistry,
    programs: dict[str, bytes],
) -> None:
    """A single manifest names its platform in its config alone, which is read before the commit."""
    source.push("team/app", "1", images.single(programs))
    crane_program.add(source, "team/app", "1", platform="linux/s390x")
    run = crane_program.once()
    assert (run.code, run.only.reason, run.only.error_kind) == (1, "unsuitable", "no_platform")
    assert run.only.error is not None
    assert "linux/s390x wanted, linux/amd64 found" in run.only.error
    assert run.only.attempts == 1
    assert cache.api.tags("team/app") == []
