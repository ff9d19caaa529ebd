"""Where the benchmark's programs are built while its tests run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import building


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the programs are built in these tests."""
    folder = tmp_path_factory.mktemp("build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "BUILD", folder)
        yield folder
