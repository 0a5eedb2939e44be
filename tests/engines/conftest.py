"""Fixtures of the engines' tests."""

from pathlib import Path

import pytest

from tests.engines.support import Setup, make_setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return make_setup(tmp_path)
