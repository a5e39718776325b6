"""Layouts that published runs chose, and what they say of scaling; constants are fitted without BLOOM and without T5."""

from dataclasses import replace
from typing import Any

import pytest

from groundup.core.errors import BudgetError
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.search import assess, search
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

A100 = find_hardware("a100-80")
BLOOM = Problem(find_preset("bloom-176b").config, RowLengths.causal(2048), 2048, A100, 384, engine="published")
OMNI_PATH = A100.model_copy(update={"inter_node_bytes_per_s": 6.25e9})
"""Four adapters of 100 Gbit/s a node (BigScience 2022, section 3.4.1)."""
AS_RUN = replace(BLOOM, hardware=OMNI_PATH, sequence_parallel=False, attention="matmul")
CHOSEN = Layout(dp=8, tp=4, pp=12, zero=1, micro_batch=2, recompute="full")
ROCE = A100.model_copy(update={"inter_node_bytes_per_s": 2e12 / 8 / 8})
"""2 Tbit/s a node (Zhao et al. 2023, section 5.1)."""
T5_ROWS = RowLengths(512, 512, 512, 512)


@pytest.mark.parametrize(
    ("problem", "pinned"),
    [
        (BLOOM, {"offload": "none", "cp": 1}),
        (AS_RUN, {"recompute": "full", "offload": "none", "cp": 1}),
        (replace(BLOOM, engine="groundup"), {"offload": "none", "cp": 1}),
        (replace(AS_RUN, engine="groundup", sequence_parallel=True), {"recompute": "full", "offload": "none", "cp": 1}),
    ],
    ids=["open", "as run", "open, what groundup sends", "on that network, what groundup sends"],
)
def test_the_mesh_of_bloom_is_among_the_five_fastest(problem: Problem, pinned: dict[str, Any]) -> None:
    """TP4 PP12 DP8 on 384 A100-80GB (BigScience 2022, section 3.4)."""
    meshes = list(dict.fromkeys((each.layout.dp, each.layout.tp, each.layout.pp) for each in search(problem, 20, pinned).found))
    assert (8, 4, 12) in meshes[:5]


def test_bloom_as_it_ran() -> None:
    """105 s a step and about 60 GB a device; 149 hardware TFLOP/s. The step is predicted 15 % too fast: it lies in the interval."""
    found = assess(AS_RUN, CHOSEN)
    slow, fast = (found.step_s * found.mfu / bound for bound in found.mfu_interval)
    assert fast < 105 < slow
    assert found.step_s == pytest.approx(105, rel=0.16)
    assert found.hfu * 312 == pytest.approx(149, rel=0.19)
    assert found.memory.total / 1e9 == pytest.approx(60, rel=0.10)


@pytest.mark.parametrize("batch", [8, 16])
def test_t5_11b_loses_about_7_percent_from_8_to_512_devices(batch: int) -> None:
    """Zhao et al. 2023, section 5.4: full sharding, recomputation, bf16, batch 8 and 16 a device, length 512."""
    model, layout = find_preset("t5-11b").config, Layout(zero=3, micro_batch=batch, recompute="full")
    few, many = (
        assess(
            Problem(model, T5_ROWS, batch * devices, ROCE, devices, reduce_bytes=2, engine="published"),
            layout.model_copy(update={"dp": devices}),
        ).mfu
        for devices in (8, 512)
    )
    assert 1 - many / few == pytest.approx(0.07, abs=0.04)


def t5(size: str, layers: int) -> ModelConfig:
    return find_preset(size).config.model_copy(update={"num_layers": layers, "num_encoder_layers": layers})


@pytest.mark.parametrize(
    ("model", "params", "ddp_fits"),
    [(t5("t5-large", 20), 0.611e9, True), (t5("t5-3b", 19), 2.28e9, True), (t5("t5-11b", 24), 11.3e9, False)],
    ids=["611M", "2.28B", "11.3B"],
)
def test_ddp_or_fsdp(model: ModelConfig, params: float, ddp_fits: bool) -> None:
    """Zhao et al. 2023, figure 6a: both train 611 M and 2.28 B parameters on 80 GB; beyond, DDP runs out of memory."""
    assert total_parameters(model) == pytest.approx(params, rel=0.02)
    problem = Problem(model, T5_ROWS, 64, A100, 8)
    plain = {"tp": 1, "pp": 1, "cp": 1, "offload": "none"}
    assert search(problem, 1, {**plain, "zero": 3}).found
    if ddp_fits:
        assert search(problem, 1, {**plain, "zero": 0}).found
    else:
        with pytest.raises(BudgetError):
            search(problem, 1, {**plain, "zero": 0})
