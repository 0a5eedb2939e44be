"""Under images and registries, text is what stands in the file."""

import pytest

from tests.config.support import complaints, loaded, resolved, with_images, with_settings


@pytest.mark.parametrize(
    "tag", ["1.20", "1.10", "1_000", "22", "2024.01.01", "on", "no", "0x1F", "1e3", "true", "007"]
)
def test_a_tag_is_the_text_in_the_file(tag: str) -> None:
    """No tag loses a zero or becomes a truth value, in any of the forms."""
    text = with_images(
        f"{{source: a/b, tag: {tag}}}", f"{{source: a/c, tags: [{tag}]}}", f"a/d:{tag}"
    )
    assert [spec.target_tag for spec in resolved(text).specs] == [tag] * 3


def test_truth_values_are_true_and_false_only() -> None:
    """`yes`, `on` and quoted words are no truth values anywhere."""
    for word in ("yes", "on", "1", '"true"'):
        assert complaints(with_images(f"{{source: a/b, tag: 1, cache_insecure: {word}}}"))
        assert complaints(with_settings(skip_on_error=word))
    assert loaded(with_settings(skip_on_error="true")).config.settings.skip_on_error


@pytest.mark.parametrize("value", ['"8"', "8.0", "1_000", "true", "0", "-1", "[8]", "99999999999"])
def test_a_number_is_a_whole_number_without_quotes(value: str) -> None:
    """Whatever else stands where a number should is an error."""
    (line,) = complaints(with_settings(concurrency=value))
    assert "expected a whole number, at least 1" in line


def test_a_number_is_no_text_outside_images_and_registries() -> None:
    """Where text is not read as written, a number in its place shows."""
    (line,) = complaints(with_settings(default_platform="5"))
    assert line.endswith(
        "found '5', expected text or a list (text in each); put it in quotes if it is meant"
    )


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_a_key_without_a_value_is_not_set(nothing: str) -> None:
    """An optional key whose value was deleted has its default."""
    text = with_images(f"{{source: a/b, tag: 1, cache_as: {nothing}}}") + f"settings: {nothing}\n"
    (spec,) = resolved(text).specs
    assert spec.target.repository.path == "a/b"
    assert loaded(with_settings(concurrency=nothing)).config.settings.concurrency == 2


def test_a_required_key_without_a_value_is_an_error() -> None:
    """`tag: null` is not the tag null."""
    lines = complaints(with_images("{source: , tag: 1}", "{source: a/b, tag: null}"))
    assert [line.split(" ", 1)[1] for line in lines] == [
        "images[0].source: found nothing, expected a repository such as docker.io/library/nginx",
        "images[1]: 'a/b' has no tag: set tag or tags, or write SOURCE:TAG in the short form",
    ]
