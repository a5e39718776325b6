"""The formulas of memory are within 5 % of simulated steps: the short form of benchmarks/planning/grid.py, with fewer blocks."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/planning"))
import grid


@pytest.mark.parametrize("name", grid.SHORT)
def test_formulas_are_within_five_percent_of_a_simulated_step(name):
    wanted = grid.shallow(grid.GRID[name].simulation)
    predicted, simulated, _ = grid.compare(wanted)
    assert predicted == pytest.approx(simulated, rel=grid.TOLERANCE)


def test_the_grid_has_forty_cells_of_every_kind():
    cells = [cell.simulation for cell in grid.GRID.values()]
    assert len(cells) == 40
    assert {cell.model.shape for cell in cells} == {"decoder", "encoder", "encoder_decoder"}
    assert {cell.layout.precision for cell in cells} == {"fp32", "bf16", "fp16", "bf16_weights"}
    assert {cell.layout.recompute for cell in cells} == {"none", "selective", "full"}
    assert {(cell.layout.zero, cell.layout.dp > cell.layout.shards) for cell in cells} == {
        (0, False),
        (0, True),
        (3, False),
        (3, True),
    }
