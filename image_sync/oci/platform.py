"""Platforms: what an operator asks for, and what an index offers.

Normalisation is containerd's (platforms 1.0, database.go: aliases, default variants, upper case);
after it, equality is strict, so `linux/arm64` never matches by accident. Platform objects follow
the OCI image spec 1.1, image-index.md.
"""

import re
from collections.abc import Iterable
from typing import Self

import msgspec

from image_sync.oci.quoting import quoted

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # far longer than any that exists
_ARCHITECTURES = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "i486": ("386", ""),  # this and the next two are not containerd's, but what uname says
    "i586": ("386", ""),
    "i686": ("386", ""),
}
"""Aliases, and the variant that each means; None leaves the variant open."""
_OPERATING_SYSTEMS = {"macos": "darwin"}
_VARIANTS = {
    ("amd64", "v1"): "",
    ("arm", ""): "v7",
    ("arm64", "v8"): "",
    ("arm64", "v8.0"): "",
    ("arm64", "v9.0"): "v9",
}


class Platform(msgspec.Struct, frozen=True, order=True):
    """`os/architecture[/variant]`, normalised."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The platform that a text names.

        Raises:
            ValueError: It is not `os/architecture[/variant]`.
        """
        parts = text.split("/")
        if not 2 <= len(parts) <= 3:  # noqa: PLR2004 - as the message says
            raise _malformed(text)
        return cls.normalised(*parts)

    @classmethod
    def normalised(cls, os: str, architecture: str, variant: str | None = None) -> Self:
        """A platform with aliases and default variants folded.

        Raises:
            ValueError: A part is not a word.
        """
        parts = (os, architecture) if variant is None else (os, architecture, variant)
        if not all(map(_WORD.fullmatch, parts)):
            raise _malformed("/".join(parts))
        os, architecture, variant = os.lower(), architecture.lower(), (variant or "").lower()
        architecture, meant = _ARCHITECTURES.get(architecture, (architecture, None))
        variant = variant if meant is None else meant
        if variant.isdigit():
            variant = f"v{variant}"
        return cls(
            _OPERATING_SYSTEMS.get(os, os),
            architecture,
            _VARIANTS.get((architecture, variant), variant),
        )

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class OnePlatform(msgspec.Struct, frozen=True, tag="one"):
    """Take the first child that matches; the cache holds that child alone."""

    platform: Platform

    def __str__(self) -> str:
        return str(self.platform)


class PlatformList(msgspec.Struct, frozen=True, tag="list"):
    """Take every child that matches one of them; the cache holds an index of those."""

    platforms: tuple[Platform, ...]  # sorted, no duplicates: the same wish has the same key

    @classmethod
    def of(cls, platforms: Iterable[Platform]) -> Self:
        """The list of some platforms, whatever their order."""
        return cls(tuple(sorted(set(platforms))))

    def __str__(self) -> str:
        return ",".join(map(str, self.platforms))


class AllPlatforms(msgspec.Struct, frozen=True, tag="all"):
    """Take whatever the source has, as it is."""

    def __str__(self) -> str:
        return "all"


PlatformChoice = OnePlatform | PlatformList | AllPlatforms


def parse_choice(value: str | list[str]) -> PlatformChoice:
    """The choice that a configuration value spells: a platform, a list of them, or `all`.

    Raises:
        ValueError: A platform is malformed, or the list is empty.
    """
    if value == "all":
        return AllPlatforms()
    if isinstance(value, str):
        return OnePlatform(Platform.parse(value))
    if not value:
        raise ValueError("the list of platforms is empty: name one, or write all")
    return PlatformList.of(map(Platform.parse, value))


def _malformed(text: str) -> ValueError:
    return ValueError(f"{quoted(text)} is not a platform: expected os/architecture[/variant]")
