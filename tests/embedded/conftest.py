"""What tests of the storage begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from image_sync.embedded.repository import Repository
from image_sync.embedded.store import Store, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store without repositories."""
    with opened(tmp_path / "root") as store:
        yield store


@pytest.fixture
def repository(store: Store) -> Repository:
    """A repository without manifests."""
    return store.ensure("lab/app")
