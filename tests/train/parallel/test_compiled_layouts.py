"""Steps of many processes as compiled kernels: what each layout learns by them, with and without what is computed again."""

import pytest

import compiled_layouts
import launches
from groundup.core.compiler import find_compiler

ROUNDING = 1e-5  # float32 sums in another order, over three updates

pytestmark = [pytest.mark.soak, pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")]


def test_each_layout_is_compiled_and_learns_what_one_process_does() -> None:
    found = launches.cases(2, compiled_layouts.__file__)
    assert len(found) == len(compiled_layouts.LAYOUTS) * len(compiled_layouts.RECOMPUTES)
    assert {name: row for name, row in found.items() if row["loss"] > ROUNDING} == {}
