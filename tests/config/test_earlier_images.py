"""Where earlier images are kept, nothing else may be: both are named at load."""

import pytest

from tests.config.support import complaints, resolved

LONG = "a" * 117


def keeping(most: int | None, *images: str) -> str:
    """A configuration of some images that keeps earlier ones, or says nothing of them."""
    lines = "\n".join(f"  - {image}" for image in images)
    kept = "" if most is None else f"settings: {{keep_previous: {most}}}\n"
    return f"cache_registry: zot.svc:5000\nimages:\n{lines}\n{kept}"


@pytest.mark.parametrize("most", [0, 1, 3])
@pytest.mark.parametrize("swapped", [False, True])
def test_an_image_is_not_kept_where_earlier_ones_of_another_are(
    most: int,
    swapped: bool,  # noqa: FBT001
) -> None:
    """Whatever the number and the order: tags beyond it are removed."""
    images = ["a/b:1", "{source: ghcr.io/a/b, tag: 1.previous-2}"]
    images = images[::-1] if swapped else images
    number, other = (0, 1) if swapped else (1, 0)
    [line] = complaints(keeping(most, *images))
    assert f"images[{number}].tag: would be kept as a/b:1.previous-2" in line
    assert f"earlier images of images[{other}]" in line


def test_where_nobody_speaks_of_earlier_images_every_tag_is_free() -> None:
    """Nothing is kept there, and nothing removed."""
    text = keeping(None, "a/b:1", "a/b:1.previous-1", f"a/b:{'a' * 128}")
    assert complaints(text) == []
    assert resolved(text).settings.keep_previous is None


@pytest.mark.parametrize(
    "image",
    [
        "other/b:1.previous-1",
        "a/b:2.previous-1",
        "a/b:1.previous-0",
        "a/b:1.previous",
        "a/b:previous-1",
    ],
)
def test_other_tags_may_be_called_like_that(image: str) -> None:
    """In another repository, of a tag that is not configured, or no such name at all."""
    assert complaints(keeping(3, "a/b:1", image)) == []


@pytest.mark.parametrize(
    ("most", "length", "fits"),
    [(9, 117, True), (9, 118, False), (10, 116, True), (10, 117, False), (0, 128, True)],
)
def test_a_tag_leaves_room_for_the_names_of_earlier_images(
    most: int,
    length: int,
    fits: bool,  # noqa: FBT001
) -> None:
    """128 characters are the bound, the number included."""
    found = complaints(keeping(most, f"a/b:{'a' * length}"))
    assert len(found) == (0 if fits else 1)
    if not fits:
        assert f".previous-{most} would make its tag longer than 128" in found[0]


def test_images_of_the_same_repository_are_kept_apart() -> None:
    """The names of one never are those of the other."""
    specs = resolved(keeping(2, "a/b:1", "a/b:1.1")).specs
    assert [spec.target_tag for spec in specs] == ["1", "1.1"]
