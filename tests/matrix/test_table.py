"""The page about the matrix: current, and no exception in it that is not needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.matrix import exceptions
from tests.matrix.all_faces import FACES
from tests.matrix.cells import Cell
from tests.matrix.exceptions import LOSSES, Loss
from tests.matrix.features import FEATURES
from tests.matrix.proofs import PROOFS
from tests.matrix.table import PAGE, cell_losses, page
from tests.matrix.upstreams import UPSTREAMS

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

CELLS = [
    (loss, Cell(feature, face, upstream))
    for face in FACES.values()
    for upstream in UPSTREAMS.values()
    for feature in FEATURES
    for loss in cell_losses(face.name, upstream.name, feature)
]


def test_the_page_is_current() -> None:
    """``docs/matrix.md`` is what the data of the tests generate; ``make matrix`` writes it."""
    assert PAGE.read_text("utf-8") == page()


def test_every_exception_has_a_cell() -> None:
    """No exception is declared that no cell has."""
    assert {loss for loss, _ in CELLS} == set(LOSSES)


@pytest.mark.parametrize(
    ("loss", "cell"),
    CELLS,
    ids=lambda value: (
        f"{value.ask}-{value.field}".replace(" ", "-")
        if isinstance(value, Loss)
        else f"{value.face.name}-on-{value.upstream.name}"
    ),
)
async def test_every_exception_is_needed(
    loss: Loss, cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the cell's test fails: what the page names is really not there."""
    monkeypatch.setattr(exceptions, "LOSSES", tuple(other for other in LOSSES if other is not loss))

    with pytest.raises((AssertionError, KeyError)):
        await PROOFS[cell.feature.way](cell, tmp_path)
