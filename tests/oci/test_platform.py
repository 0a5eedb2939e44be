"""Platforms are folded as containerd folds them, and compared strictly afterwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.oci import AllPlatforms, OnePlatform, Platform, PlatformList
from image_sync.oci.platform import parse_choice


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("linux/amd64", "linux/amd64", id="as-it-is"),
        pytest.param("linux/x86_64", "linux/amd64", id="x86_64"),
        pytest.param("linux/x86-64", "linux/amd64", id="x86-64"),
        pytest.param("linux/amd64/v1", "linux/amd64", id="amd64-v1-is-every-amd64"),
        pytest.param("linux/amd64/v3", "linux/amd64/v3", id="amd64-v3-is-not"),
        pytest.param("linux/x86_64/v2", "linux/amd64/v2", id="x86_64-with-variant"),
        pytest.param("linux/arm64", "linux/arm64", id="arm64"),
        pytest.param("linux/arm64/v8", "linux/arm64", id="arm64-v8-is-every-arm64"),
        pytest.param("linux/arm64/8", "linux/arm64", id="arm64-8"),
        pytest.param("linux/arm64/v8.0", "linux/arm64", id="arm64-v8.0"),
        pytest.param("linux/arm64/v9", "linux/arm64/v9", id="arm64-v9-is-another"),
        pytest.param("linux/aarch64", "linux/arm64", id="aarch64"),
        pytest.param("linux/aarch64/v8", "linux/arm64", id="aarch64-v8"),
        pytest.param("linux/arm", "linux/arm/v7", id="arm-is-v7"),
        pytest.param("linux/arm/v7", "linux/arm/v7", id="arm-v7"),
        pytest.param("linux/arm/7", "linux/arm/v7", id="arm-7"),
        pytest.param("linux/arm/v6", "linux/arm/v6", id="arm-v6"),
        pytest.param("linux/arm/5", "linux/arm/v5", id="arm-5"),
        pytest.param("linux/armhf", "linux/arm/v7", id="armhf"),
        pytest.param("linux/armhf/v6", "linux/arm/v7", id="armhf-means-v7-whatever-else-it-says"),
        pytest.param("linux/armel", "linux/arm/v6", id="armel"),
        pytest.param("linux/i386", "linux/386", id="i386"),
        pytest.param("linux/i686", "linux/386", id="i686"),
        pytest.param("LINUX/AMD64", "linux/amd64", id="upper-case"),
        pytest.param("macos/arm64", "darwin/arm64", id="macos"),
        pytest.param("windows/amd64", "windows/amd64", id="windows"),
        pytest.param("linux/riscv64", "linux/riscv64", id="riscv64"),
        pytest.param("linux/mips64le", "linux/mips64le", id="mips64le"),
        pytest.param("wasip1/wasm", "wasip1/wasm", id="wasm"),
    ],
)
def test_normalisation(text: str, canonical: str) -> None:
    """Aliases and default variants have one spelling, which stays as it is."""
    platform = Platform.parse(text)
    assert str(platform) == canonical
    assert Platform.parse(canonical) == platform


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64", "linux/arm/v8"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/amd64", "linux/amd64/v2"),
        ("linux/amd64", "linux/386"),
        ("linux/amd64", "windows/amd64"),
    ],
)
def test_a_platform_never_stands_for_a_compatible_one(one: str, other: str) -> None:
    """What could run on a platform is not what was asked for."""
    assert Platform.parse(one) != Platform.parse(other)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("linux", id="system-alone"),
        pytest.param("amd64", id="architecture-alone"),
        pytest.param("all", id="all-is-a-choice"),
        pytest.param("linux/", id="no-architecture"),
        pytest.param("/amd64", id="no-system"),
        pytest.param("linux/amd64/", id="empty-variant"),
        pytest.param("linux//v7", id="empty-architecture"),
        pytest.param("linux/arm/v7/x", id="four-parts"),
        pytest.param("linux/amd64,linux/arm64", id="two-in-one"),
        pytest.param("linux /amd64", id="space"),
        pytest.param("linux/amd64\n", id="newline"),
        pytest.param("linux(10.0)/amd64", id="version-of-the-system"),
        pytest.param("linu\N{KELVIN SIGN}/amd64", id="kelvin-sign-is-no-k"),
        pytest.param("linux/arm/²", id="superscript-is-no-digit"),
        pytest.param("-os/arch", id="reads-like-an-option"),
        pytest.param("linux/" + "a" * 65, id="too-long"),
    ],
)
def test_malformed_platforms_are_refused(text: str) -> None:
    """Two or three words of ASCII, nothing else."""
    with pytest.raises(ValueError, match="is not a platform: expected os/architecture"):
        Platform.parse(text)


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9._-]{1,9}(/[A-Za-z0-9._-]{1,9}){1,2}"))
def test_any_text_is_a_platform_or_refused(text: str) -> None:
    """Nothing but ValueError is raised, and the canonical form reads as itself."""
    try:
        platform = Platform.parse(text)
    except ValueError:
        return
    assert str(platform).isascii()
    assert Platform.parse(str(platform)) == platform


AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.mark.parametrize(
    ("value", "choice", "shown"),
    [
        pytest.param("all", AllPlatforms(), "all", id="all"),
        pytest.param("linux/x86_64", OnePlatform(AMD64), "linux/amd64", id="one"),
        pytest.param(["linux/amd64"], PlatformList((AMD64,)), "linux/amd64", id="a-list-of-one"),
        pytest.param(
            ["linux/arm64/v8", "linux/amd64", "linux/aarch64"],
            PlatformList((AMD64, ARM64)),
            "linux/amd64,linux/arm64",
            id="a-list-is-sorted-and-without-duplicates",
        ),
    ],
)
def test_choices(
    value: str | list[str], choice: OnePlatform | PlatformList | AllPlatforms, shown: str
) -> None:
    """A text is one platform or all of them, a list is a list, and the same wish is equal."""
    assert parse_choice(value) == choice
    assert str(choice) == shown


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="empty-list"),
        pytest.param(["all"], id="all-in-a-list"),
        pytest.param(["linux/amd64", "arm64"], id="one-is-malformed"),
        pytest.param("linux/amd64,linux/arm64", id="a-list-as-text"),
        pytest.param("ALL", id="all-in-capitals"),
    ],
)
def test_malformed_choices_are_refused(value: str | list[str]) -> None:
    """There is no choice that means nothing."""
    with pytest.raises(ValueError, match="platform"):
        parse_choice(value)
