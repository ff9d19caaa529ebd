"""The matrix: each client dialect over each upstream dialect, feature by feature."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.matrix.all_faces import FACES
from tests.matrix.cells import Cell
from tests.matrix.faces import Face
from tests.matrix.features import FEATURES, Feature
from tests.matrix.proofs import PROOFS
from tests.matrix.upstreams import UPSTREAMS, Upstream

#: A feature of each way of proving runs on every Python.
EVERYWHERE = ("streaming", "tool results", "error before the stream", "error in the stream", "client abort")
ONE = pytest.mark.one_python("the whole product; a feature of each way runs on each Python")


@pytest.mark.parametrize(
    "feature",
    [
        pytest.param(
            feature, id=feature.name.replace(" ", "-"), marks=() if feature.name in EVERYWHERE else ONE
        )
        for feature in FEATURES
    ],
)
@pytest.mark.parametrize("upstream", UPSTREAMS.values(), ids=lambda upstream: f"on-{upstream.name}")
@pytest.mark.parametrize("face", FACES.values(), ids=lambda face: face.name)
async def test_cell(face: Face, upstream: Upstream, feature: Feature, tmp_path: Path) -> None:
    """The feature works between the two, with exactly the exceptions that are declared."""
    await PROOFS[feature.way](Cell(feature, face, upstream), tmp_path)
