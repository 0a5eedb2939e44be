"""Whoever searches the page for the words of an error finds them."""

import re

import pytest

from image_sync.errors import TRAITS, ErrorKind, ListenError, StoreError
from image_sync.registry import errors
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
PLAIN = " ".join(PAGE.replace("`", "").split())
SECTIONS = dict(re.findall(r"^## (\w+)\n+> (.*)$", PAGE, re.MULTILINE))
ADVICE = [
    errors._DOCKER_TYPES,
    errors._CREATE_AND_UPDATE,
    errors._PRIVATE,
    errors._MAKE_REPOSITORY,
    StoreError("").hint.rpartition(", ")[2],
    ListenError("").hint,
]


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_of_error_has_its_section_with_the_hint_as_it_is_printed(
    kind: ErrorKind,
) -> None:
    """Under the name that the report has."""
    assert SECTIONS[kind] == TRAITS[kind].hint


def test_there_is_no_section_for_what_cannot_happen() -> None:
    """A kind that is gone is gone from the page."""
    assert SECTIONS.keys() == {str(kind) for kind in ErrorKind}


@pytest.mark.parametrize("advice", ADVICE)
def test_special_advice_is_there_in_its_words(advice: str) -> None:
    """What is said in place of a kind's own hint."""
    assert " ".join(advice.replace("`", "").split()) in PLAIN
