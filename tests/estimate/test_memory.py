"""The formulas against what autograd really keeps, and against the bytes that torch really has in use."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
import torch

from groundup.estimate.activations import FFN_BACKWARD_TENSORS, FFN_TENSORS, activation_bytes, weight_copy_bytes
from groundup.estimate.memory import checkpoint_bytes, live_bytes, mask_bytes, passing_bytes, training_memory
from groundup.estimate.parameters import NORM_VECTORS, total_parameters
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.nn.precision import hold_weights
from groundup.nn.transformer import Transformer
from groundup.nn.transformer import build_model as build
from groundup.plan.probe import made_up_batch
from groundup.train.loss_scale import MINIMUM
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.passes import autocast
from groundup.train.step import TrainStep
from peaks import allocations

ACTIVATION_TOLERANCE = 0.01  # scalars and rounding of a few bytes
LIVE_TOLERANCE = 0.05  # the optimizer's and the kernels' own scratch is not counted

SHAPES = [{"num_layers": 1}, {"num_layers": 3, "num_kv_heads": 2}, {"num_kv_heads": 1, "feed_forward": "gelu", "norm": "layer"}]
VARIANTS = [
    *({"feed_forward": name} for name in FFN_TENSORS),
    *({"norm": name} for name in NORM_VECTORS),
    {"position": "alibi"},
    {"head_dim": 32},
    {"rope_fraction": 0.5},
]
LONG_ROWS = RowLengths(text_len=120, read_len=128, target_len=128, predicted_len=128)
ROWS = RowLengths(text_len=60, read_len=64, target_len=24, predicted_len=24)
OTHER_SHAPES = [
    {"shape": "encoder", "rows": RowLengths(64, 64, 64, 10)},
    {"shape": "encoder", "position": "alibi"},
    {"shape": "encoder_decoder", "num_encoder_layers": 2, "rows": ROWS},
    {"shape": "encoder_decoder", "num_encoder_layers": 3, "rows": ROWS, "position": "alibi", "num_kv_heads": 2},
    {"shape": "encoder_decoder", "num_encoder_layers": 1, "rows": ROWS, "norm": "layer"},
]
GRID = [
    *product(["fp32", "bf16"], ["sdpa", "matmul"], SHAPES, [True, False]),
    *product(["fp32", "bf16"], ["sdpa"], VARIANTS, [True]),
    *product(["fp32", "bf16"], ["sdpa", "matmul"], OTHER_SHAPES, [True]),
    *product(["fp16", "bf16_weights"], ["sdpa", "matmul"], [{}, OTHER_SHAPES[2]], [True]),
    *product(["bf16_weights"], ["sdpa"], [{"norm": "layer"}, {"norm": "rms_plain"}], [True]),
    *product(["fp32"], ["sdpa", "matmul"], [{"position": "t5_bias"}, {"position": "t5_bias", **OTHER_SHAPES[2]}], [True]),
]


def workload(precision, kernel, masked=True, seq_len=64, micro_batch=3, batch_sequences=6, rows=None, **model) -> Workload:
    defaults = {
        "vocab_size": 500,
        "dim": 64,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 4,
        "ffn_dim": 160,
        "max_seq_len": seq_len,
    }
    config = ModelConfig.model_validate({**defaults, **model})
    return Workload(config, precision, kernel, micro_batch, batch_sequences, rows or RowLengths.causal(seq_len), masked)


def build_model(case: Workload) -> Transformer:
    model = build(case.model, case.attention)
    model.init_weights(torch.Generator().manual_seed(0))
    return model


@pytest.mark.parametrize(("precision", "kernel", "model", "masked"), GRID)
def test_activations_are_what_autograd_saves(precision, kernel, model, masked):
    case = workload(precision, kernel, masked, **model)
    transformer, batch = build_model(case), made_up_batch(case)
    if case.holds_copy:
        hold_weights(transformer, "bf16")
    own = {tensor.untyped_storage().data_ptr() for tensor in (*transformer.parameters(), *transformer.buffers())}
    saved: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in own:
            saved[pointer] = tensor  # held, so that no two storages share an address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), autocast(precision, "cpu"):
        transformer.trunk(batch.inputs)
    measured = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    added = kernel == "matmul" or model.get("position") == "t5_bias"  # by a sum, which keeps nothing
    mask = 0 if added else mask_bytes(case)
    assert activation_bytes(case) + weight_copy_bytes(case) + mask == pytest.approx(measured, rel=ACTIVATION_TOLERANCE)


def train_step(case: Workload) -> TrainStep:
    model = build_model(case)
    step = TrainStep(
        model, build_optimizer(model, case.optimizer), case.precision, 1.0, torch.device("cpu"), recompute=case.recompute
    )
    if step.loss_scale:
        step.loss_scale.value = MINIMUM  # no step is to be skipped
    return step


def peak_of(case: Workload, work: Callable[[], object]) -> int:
    """Return the most bytes in use during a step; weights, their copy and the optimizer's state were there before."""
    in_use = peak = checkpoint_bytes(case) + (2 * total_parameters(case.model) if case.holds_copy else 0)
    for size in allocations(work):
        in_use += size
        peak = max(peak, in_use)
    return peak


@pytest.mark.parametrize(
    ("precision", "kernel", "optimizer"),
    [
        ("fp32", "sdpa", "adamw"),
        ("bf16", "matmul", "adamw"),
        ("fp16", "matmul", "adamw"),
        ("bf16_weights", "sdpa", "adamw"),
        ("bf16_weights", "matmul", "adamw"),
        *(("bf16", "sdpa", name) for name in OPTIMIZERS if name != "adamw"),
    ],
)
def test_peak_is_that_of_a_real_step(precision, kernel, optimizer):
    case = workload(precision, kernel, seq_len=128, micro_batch=8, batch_sequences=16, vocab_size=2000, dim=128, ffn_dim=352)
    case = replace(case, optimizer=OptimizerConfig(name=optimizer))
    step = train_step(case)
    batches = [made_up_batch(case)] * case.num_micro_batches
    step(batches, 1e-3)
    peak = peak_of(case, lambda: step(batches, 1e-3))
    assert training_memory(case, 0, allocator_share=0.0)["total"] == pytest.approx(peak, rel=LIVE_TOLERANCE)


RECOMPUTED = [
    *product(["full", "selective"], ["fp32", "bf16"], ["sdpa", "matmul"], [{}]),
    *product(["full", "selective"], ["bf16_weights"], ["sdpa", "matmul"], [{}]),
    *product(["full", "selective"], ["fp32"], ["sdpa"], [{"feed_forward": name} for name in FFN_BACKWARD_TENSORS]),
    *product(["full", "selective"], ["fp32", "bf16"], ["matmul"], [{"norm": "layer", "feed_forward": "relu"}]),
    *product(["full", "selective"], ["bf16"], ["sdpa", "matmul"], [{"position": "t5_bias"}, OTHER_SHAPES[2] | {"rows": LONG_ROWS}]),
]


@pytest.mark.parametrize(("recompute", "precision", "kernel", "model"), RECOMPUTED)
def test_what_is_recomputed_is_not_kept_and_counts_at_the_peak(recompute, precision, kernel, model):
    sizes = {
        "seq_len": 128,
        "micro_batch": 8,
        "batch_sequences": 16,
        "vocab_size": 200,
        "dim": 128,
        "ffn_dim": 352,
        "num_layers": 3,
    }
    case = replace(workload(precision, kernel, **(sizes | model)), recompute=recompute)
    step = train_step(case)
    batches, hidden = [made_up_batch(case)] * case.num_micro_batches, []
    step(batches, 1e-3)

    def forward() -> None:
        hidden.append(step.loss.hidden(batches[0].inputs))

    kept = sum(allocations(forward)) - hidden[0].untyped_storage().nbytes()
    assert activation_bytes(case) + mask_bytes(case) == pytest.approx(kept, rel=ACTIVATION_TOLERANCE)
    peak = peak_of(case, lambda: step(batches, 1e-3))
    assert training_memory(case, 0, allocator_share=0.0)["total"] == pytest.approx(peak, rel=LIVE_TOLERANCE)


def test_states_are_sixteen_bytes_a_parameter():
    case = workload("bf16", "matmul")
    memory = training_memory(case, 0)
    counters = 4 * sum(1 for _ in build_model(case).parameters())
    assert memory["weights"] + memory["gradients"] + memory["optimizer"] == 16 * total_parameters(case.model) + counters


def test_a_master_copy_is_the_only_state_more():
    plain, master = (training_memory(workload(name, "matmul"), 0) for name in ("bf16", "bf16_weights"))
    params = total_parameters(workload("bf16", "matmul").model)
    assert (master["weights"], master["master_weights"]) == (2 * params, 4 * params)
    assert "master_weights" not in plain
    assert master["weight_copies"] == 0 < plain["weight_copies"]


def test_total_is_the_sum_of_its_parts():
    memory = training_memory(workload("bf16", "matmul"), 123_456_789, 0.5)
    assert memory["total"] == sum(size for name, size in memory.items() if name != "total")
    assert memory["process"] == 123_456_789


def test_activations_grow_with_the_micro_batch_and_the_states_do_not():
    small, large = (training_memory(workload("fp32", "sdpa", micro_batch=size), 0) for size in (1, 3))
    assert large["activations"] == pytest.approx(3 * small["activations"], rel=1e-6)
    assert large["optimizer"] == small["optimizer"]


def test_what_lives_and_the_gaps_are_the_growth():
    case = workload("bf16", "sdpa")
    growth = training_memory(case, 0, allocator_share=0.4)["total"]
    assert growth - live_bytes(case) == pytest.approx(0.4 * sum(passing_bytes(case).values()), abs=1)
