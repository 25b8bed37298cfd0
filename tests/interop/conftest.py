"""A stage for programs, and something for them to share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.payload import make_file, make_folder
from tests.interop.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """An empty stage."""
    stage = Stage(tmp_path / "stage")
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See payload.make_folder; nobody writes to it."""
    return make_folder(tmp_path_factory.mktemp("folder"))


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See payload.make_file; nobody writes to it."""
    return make_file(tmp_path_factory.mktemp("file"))
