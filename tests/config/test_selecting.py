"""Narrowing and sharding."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync import config
from image_sync.errors import ConfigError
from image_sync.model import ImageSpec
from tests.config.support import resolved, with_images

_SPECS = resolved(
    with_images("docker.io/library/nginx:1.27", "nginx:1.26", "quay.io/a/b:1", "ghcr.io/a/b:2")
).specs
_MANY = resolved(with_images(*(f"quay.io/team/app{n % 40}:{n}" for n in range(200)))).specs


@pytest.mark.parametrize(
    ("globs", "images"),
    [
        ([], [0, 1, 2, 3]),
        (["docker.io/library/nginx"], [0, 1]),
        (["nginx"], [1]),
        (["nginx:1.26"], [1]),
        (["docker.io/library/nginx:*"], [0, 1]),
        (["*/a/b"], [2, 3]),
        (["quay.io/*"], [2]),
        (["*:2", "quay.io/*"], [2, 3]),
        (["*"], [0, 1, 2, 3]),
    ],
)
def test_a_glob_means_the_source_as_written_or_as_understood(
    globs: list[str], images: list[int]
) -> None:
    """With or without tag; several globs are a union, in the order of the configuration."""
    assert config.narrow(_SPECS, globs) == tuple(_SPECS[image] for image in images)


def test_a_glob_without_a_match_is_an_error_with_a_suggestion() -> None:
    """A typo does not make an empty pass; every such glob is named."""
    with pytest.raises(ConfigError) as caught:
        config.narrow(_SPECS, ["*", "nginx:1.62", "zzz\x1b*"])
    assert [str(problem) for problem in caught.value.problems] == [
        "--image: 'nginx:1.62' matches no image (did you mean nginx:1.26?)",
        "--image: 'zzz\\x1b*' matches no image",
    ]


@pytest.mark.parametrize("text", ["0/1", "2/3", "99/100"])
def test_a_shard_reads_back_as_written(text: str) -> None:
    """I/N, counted from 0."""
    assert str(config.Shard.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "/", "3/3", "0/0", "-1/3", "1/3/5", "a/b", "1/ 3", "01/3", "1/101", "\u0661/3"],
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    """An unset JOB_COMPLETION_INDEX does not become shard 0."""
    with pytest.raises(ConfigError, match=r"--shard: found .* expected I/N"):
        config.Shard.parse(text)


@given(st.text())
def test_any_text_is_a_shard_or_an_error(text: str) -> None:
    """No other exception."""
    with contextlib.suppress(ConfigError):
        assert str(config.Shard.parse(text)) == text


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_share_the_specs_without_overlap(count: int) -> None:
    """Every spec is in exactly one shard, and a repository stays whole."""
    parts = [config.shard(_MANY, config.Shard(index, count)) for index in range(count)]
    assert sorted(map(str, _MANY)) == sorted(str(spec) for part in parts for spec in part)
    repositories = [{spec.source.repository for spec in part} for part in parts]
    assert sum(map(len, repositories)) == 40
    assert all(repositories)


def test_one_more_shard_moves_only_what_it_takes_over() -> None:
    """Rendezvous hashing: nothing moves between the shards that stay."""

    def owner(spec: ImageSpec, count: int) -> int:
        return next(i for i in range(count) if config.shard([spec], config.Shard(i, count)))

    moves = {(owner(spec, 3), owner(spec, 4)) for spec in _MANY}
    assert all(after in (before, 3) for before, after in moves)


def test_the_owner_of_a_repository_never_changes() -> None:
    """Processes of different versions agree; hashes of Python would not."""
    mine = config.shard(_SPECS, config.Shard(0, 2))
    assert [str(spec) for spec in mine] == [
        "docker.io/library/nginx:1.27",
        "nginx:1.26",
        "ghcr.io/a/b:2",
    ]
