"""Layouts: BLOOM's, and how the T5 of 11 billion parameters scales (row 12, and figures 6 and 7 of Zhao et al. 2023)."""

from collections.abc import Iterator
from dataclasses import replace

from acceptance_checks import Check

from groundup.core.errors import BudgetError
from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.search import assess, search
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

A100 = find_hardware("a100-80")
OMNI_PATH = A100.model_copy(update={"inter_node_bytes_per_s": 6.25e9})
ROCE = A100.model_copy(update={"inter_node_bytes_per_s": 31.25e9})
BLOOM = Problem(find_preset("bloom-176b").config, RowLengths.causal(2048), 2048, OMNI_PATH, 384, engine="published")
CHOSEN = Layout(dp=8, tp=4, pp=12, zero=1, micro_batch=2, recompute="full")
T5_SIZES = (("t5-large", 20, True), ("t5-3b", 19, True), ("t5-11b", 24, False))
"""Preset, blocks of each stack for the 611 M, 2.28 B and 11.3 B parameters of the paper, whether DDP fits."""
STEP_S, HARDWARE_TFLOPS = 105, 149
CHECKPOINT_BYTES = 14
"""A parameter: 16-bit weights, and of Adam master weights and two moments in 32 bits."""


def bloom() -> Iterator[Check]:
    """Yield the place of its mesh; step, speed, memory and files as they were."""
    as_run = replace(BLOOM, sequence_parallel=False, attention="matmul")
    for problem, sent in ((BLOOM, ""), (replace(BLOOM, engine="groundup"), ", with what groundup sends")):
        meshes = [(each.layout.dp, each.layout.tp, each.layout.pp) for each in search(problem, 20).found]
        place = list(dict.fromkeys(meshes)).index((8, 4, 12)) + 1
        yield Check(f"TP4 PP12 DP8: place among meshes{sent}", 1, place, 4, absolute=True, note="at most the fifth")
    found = assess(as_run, CHOSEN)
    yield Check("seconds of a step", STEP_S, found.step_s, 0.10)
    yield Check("TFLOP/s a device, what is computed twice included", HARDWARE_TFLOPS, found.hfu * 312, 0.10)
    memory = device_memory(BLOOM.model, CHOSEN, Training(BLOOM.rows, attention="matmul", sequence_parallel=False))
    yield Check("GB a device", 60, memory.total / 1e9, 0.10)
    params = total_parameters(BLOOM.model)
    yield Check("GB of a checkpoint", 2300, CHECKPOINT_BYTES * params / 1e9, 0.10)
    yield Check("GiB of the weights in bf16", 329, 2 * params / 2**30, 0.10)


def t5() -> Iterator[Check]:
    """Yield the loss of TFLOP/s from 8 to 512 devices, and whether DDP fits."""
    rows = RowLengths(512, 512, 512, 512)
    for batch in (8, 16):
        speeds = [
            assess(
                Problem(find_preset("t5-11b").config, rows, batch * devices, ROCE, devices, reduce_bytes=2, engine="published"),
                Layout(dp=devices, zero=3, micro_batch=batch, recompute="full"),
            ).mfu
            for devices in (8, 512)
        ]
        yield Check(f"11B T5, batch {batch}: share lost from 8 to 512", 0.07, 1 - speeds[1] / speeds[0], 0.04, absolute=True)
    for preset, layers, ddp in T5_SIZES:
        model = find_preset(preset).config.model_copy(update={"num_layers": layers, "num_encoder_layers": layers})
        problem = Problem(model, rows, 64, A100, 8)
        for zero, fits in ((0, ddp), (3, True)):
            name = "FSDP" if zero else "DDP"
            found = _fits(problem, {"tp": 1, "pp": 1, "cp": 1, "offload": "none", "zero": zero})
            yield Check(f"{total_parameters(model) / 1e9:.3g}B: {name} fits 80 GB", fits, found, 0, absolute=True)


def _fits(problem: Problem, pinned: dict[str, object]) -> bool:
    try:
        return bool(search(problem, 1, pinned).found)
    except BudgetError:
        return False
