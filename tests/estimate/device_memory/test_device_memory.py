"""The memory of one device against published formulas and measurements."""

import math

import pytest

from groundup.estimate.device_memory import LINES, Memory, Training, device_memory
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

GIB, MIB = 2**30, 2**20
LLAMA = find_preset("llama3-8b").config


def memory_of(model: ModelConfig, layout: Layout, seq_len: int = 1024, **training: object) -> Memory:
    return device_memory(model, layout, Training(RowLengths.causal(seq_len), **training))  # type: ignore[arg-type]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("ranks", [1, 4, 64, 1024])
def test_states_are_those_of_zero(stage: int, ranks: int) -> None:
    """16P; 4P + 12P/d; 2P + 14P/d; 16P/d (Rajbhandari et al. 2020, figure 1: 120, 31.4, 16.6, 1.9 GB of 7.5B on 64)."""
    params = total_parameters(LLAMA)
    layout = Layout(dp=ranks, zero=stage, precision="fp16")  # type: ignore[arg-type]
    held, shared = {0: (16, 0), 1: (4, 12), 2: (2, 14), 3: (0, 16)}[stage]
    found = memory_of(LLAMA, layout)
    assert found.states == pytest.approx(params * (held + shared / ranks), rel=1e-5)
    assert set(found.lines) == set(LINES)
    assert found.total == sum(found.lines.values())


@pytest.mark.parametrize(("micro_batch", "measured_mib"), [(1, 2594.7), (4, 6109.8), (20, 24857.2)])
def test_gpt2_as_a_memory_tracker_sees_it(micro_batch: int, measured_mib: float) -> None:
    """GPT-2 124M without biases in float32, second step, torch 2.13 MemTracker: parameters, moments, activations, logits."""
    model = ModelConfig(
        norm="layer_no_bias", position="learned", feed_forward="gelu_tanh", vocab_size=50304, max_seq_len=1024,
        dim=768, num_layers=12, num_heads=12, num_kv_heads=12, ffn_dim=3072,
    )  # fmt: skip
    model = model.model_copy(update={"vocab_size": 50257})
    found = memory_of(model, Layout(micro_batch=micro_batch, precision="fp32"), num_micro_batches=1)
    assert found.live / MIB == pytest.approx(measured_mib, rel=0.03)


@pytest.mark.parametrize(
    ("ranks", "compiled", "measured_gib"), [(8, False, 82.4), (8, True, 77.0), (128, False, 67.0), (128, True, 62.0)]
)
def test_llama_8b_on_torchtitan(ranks: int, compiled: bool, measured_gib: float) -> None:
    """Reserved memory, H100, micro-batch 2 x 8192, selective recomputation (torchtitan, benchmarks of December 2024)."""
    layout = Layout(dp=ranks, zero=3, micro_batch=2, recompute="selective")
    error = memory_of(LLAMA, layout, 8192, compiled=compiled, own_family="torchtitan").total / GIB / measured_gib - 1
    assert -0.1 < error < 0.1


def test_more_ranks_save_what_torchtitan_measured() -> None:
    """From 8 to 128 GPUs 15.4 GiB (eager), 15.0 (compiled)."""
    few, many = (memory_of(LLAMA, Layout(dp=dp, zero=3, micro_batch=2, recompute="selective"), 8192) for dp in (8, 128))
    drop = (few.total - many.total) / GIB
    assert math.isclose(drop, 15.4, rel_tol=0.15)
    assert math.isclose(drop, 15.0, rel_tol=0.15)
