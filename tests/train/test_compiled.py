"""Compiled steps; the compiler runs in one process, once, as it takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from groundup.core.compiler import find_compiler

SCRIPT = Path(__file__).with_name("compiled_steps.py")
ROUNDING = 1e-5  # float32 sums in another order, over four updates

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler")


@pytest.fixture(scope="module")
def found():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_all_layers_share_one_graph(found):
    """And nothing is compiled later: the process lets that raise, however many places are predicted."""
    assert found["graphs"] == 2  # a block and the loss


def test_equals_the_eager_step(found):
    assert found["losses"] == pytest.approx(found["eager_losses"], rel=ROUNDING)


def test_a_resumed_run_ends_in_the_same_bits(found):
    assert found["resumed_losses"] == found["losses"][2:]
    assert found["same_weights"]


def test_names_are_those_of_a_model_that_was_never_compiled(found):
    assert found["same_names"]


@pytest.mark.parametrize("mode", ["selective", "full"])
def test_what_is_computed_again_gives_the_same_gradients(found, mode):
    assert found["recomputing_norms"][mode] == pytest.approx(found["norms"][:2], rel=ROUNDING)
