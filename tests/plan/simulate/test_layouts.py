"""Layouts of many ranks, simulated by the engine's own wrapping: what one rank holds and sends."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.counted import CountedStep, counted_step
from groundup.estimate.layout.priors import HOP_S, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.traffic import Traffic
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.plan.simulate import SimulatedPeak, Simulation, simulate
from groundup.plan.simulate.neighbours import Neighbours
from groundup.plan.simulate.stage import stage_of
from groundup.train.parallel.config import Layout

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks/parallel"))
import zero_memory
import zero_simulated

SIZES = {"vocab_size": 2048, "dim": 256, "num_layers": 4, "num_heads": 4, "num_kv_heads": 4, "ffn_dim": 512, "max_seq_len": 128}
MODEL = ModelConfig.model_validate(SIZES)
BOTH = MODEL.model_copy(update={"shape": "encoder_decoder", "num_layers": 2, "num_encoder_layers": 2})
ROWS = RowLengths.causal(128)
SPANS = RowLengths(text_len=120, read_len=128, target_len=64, predicted_len=64)
LAW = 0.02
VOLUME = 0.01  # counted beside formulas, which leave out gradients of norms that tp holds whole
COPIES = 0.005  # a counter of each tensor is not shared


@cache
def found(rank: int = 0, model: ModelConfig = MODEL, rows: RowLengths = ROWS, micro_batches: int = 4, **keys: Any) -> SimulatedPeak:
    layout = Layout.model_validate({"precision": "fp32", "micro_batch": 2, **keys})
    return simulate(Simulation(model, layout, rows, num_micro_batches=micro_batches, rank=rank))


def states(peak: SimulatedPeak) -> int:
    return peak.states.weights + peak.states.optimizer


@pytest.mark.parametrize(("kind", "zero"), [*((next(iter(zero_memory.LAWS)), zero) for zero in range(4)), ("fp32", 2)])
def test_states_follow_the_zero_paper_on_512_ranks(kind, zero):
    layout = next(layout for name, layout in zero_memory.stages(512) if (name, layout.zero) == (kind, zero))
    row = zero_simulated.simulated(kind, layout)
    assert row["bytes"] == pytest.approx(zero_memory.law(kind, zero, 512), rel=LAW)


@pytest.mark.parametrize("axes", [{"tp": 2}, {"pp": 2}, {"tp": 2, "pp": 2}], ids=str)
def test_what_divides_the_model_divides_its_states(axes):
    """Of tied weights each end of a pipeline has a copy."""
    ranks = axes.get("tp", 1) * axes.get("pp", 1)
    ends = [found(rank, **axes) for rank in (0, ranks - 1)]
    copies = 12 * MODEL.vocab_size * MODEL.dim if "pp" in axes else 0
    assert sum(map(states, ends)) * ranks / 2 == pytest.approx(12 * total_parameters(MODEL) + copies, rel=LAW)


def test_ranks_of_a_context_group_share_activations_and_states():
    alone, shared = found(), found(cp=2, zero=3)
    assert shared.components["activations"] < 0.6 * alone.components["activations"]
    assert states(shared) == pytest.approx(states(alone) / 2, rel=COPIES)


def of(traffic: tuple[Traffic, ...], purpose: str) -> dict[tuple[str, tuple[str, ...]], Traffic]:
    return {(each.collective, each.axes): each for each in traffic if each.purpose == purpose}


def test_zero_3_gathers_blocks_twice_and_the_rest_once_in_each_micro_batch():
    sent = of(found(dp=8, zero=3, micro_batches=2).traffic, "dp")
    whole, table = 4 * total_parameters(MODEL), 4 * MODEL.vocab_size * MODEL.dim
    assert sent["all_gather", ("shard",)].payload_bytes == pytest.approx(2 * (2 * whole - table), rel=COPIES)
    assert sent["reduce_scatter", ("shard",)].payload_bytes == pytest.approx(2 * whole, rel=COPIES)


def test_copies_of_shards_sum_them_once_a_step():
    sent = of(found(dp=16, zero=3, sharding_factor=8, micro_batches=2).traffic, "dp")
    summed = sent["all_reduce", ("copies",)]
    assert (summed.size, summed.stride) == (2, 8)
    assert summed.payload_bytes == pytest.approx(4 * total_parameters(MODEL) / 8, rel=COPIES)


NODE = find_hardware("a100-80").model_copy(update={"devices_per_node": 1 << 20})
"""All ranks in one node: with hops that take no time, seconds are bytes over one bandwidth."""
VOLUMES = {
    "replicas": {"dp": 8},
    "zero 1, bf16_weights": {"dp": 8, "zero": 1, "precision": "bf16_weights"},
    "zero 2": {"dp": 8, "zero": 2},
    "zero 3": {"dp": 8, "zero": 3},
    "hybrid": {"dp": 16, "zero": 3, "sharding_factor": 4},
    "context": {"dp": 2, "cp": 4, "zero": 3},
    "zero 1, weights in 32 bits": {"dp": 8, "zero": 1, "precision": "bf16"},
    "tensor": {"tp": 4},
    "tensor, computed again": {"tp": 4, "recompute": "full", "precision": "bf16"},
    "pipeline": {"pp": 4},
    "pipeline that drops weights": {"dp": 2, "pp": 2, "zero": 3, "reshard_after_forward": True},
    "all together": {"dp": 2, "tp": 2, "pp": 4, "zero": 1, "precision": "bf16"},
}
STAGES = [(name, stage) for name, layout in VOLUMES.items() for stage in range(layout.get("pp", 1)) if stage != 2]
"""Of a pipeline of four the first, one in the middle, which sends most, and the last, with the embedding as its head."""


def step_of(stage: int, **keys: Any) -> CountedStep:
    """Return the time of a step of a rank of that stage, all communication in sight."""
    layout = Layout.model_validate({"precision": "fp32", "micro_batch": 2, **keys})
    rank = stage * layout.world_size // layout.pp
    problem = Problem(MODEL, ROWS, layout.dp * 8, NODE, layout.world_size, layout.precision)
    own, everything = stage_of(MODEL, layout, rank), replace(shipped_priors(), exposed=1.0)
    return counted_step(problem, layout, found(rank, **keys).traffic, own, everything)


@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_formulas_say_what_is_sent(name, stage, monkeypatch):
    for link in HOP_S:
        monkeypatch.setitem(HOP_S, link, 0.0)
    step = step_of(stage, **VOLUMES[name])
    for purpose in ("tp", "cp", "pp", "dp"):
        counted, predicted = (times.parts(0)[f"{purpose}_s"] for times in (step.counted, step.formulas))
        assert counted == pytest.approx(predicted, rel=VOLUME, abs=0.0), purpose


@pytest.mark.parametrize(
    ("model", "rows", "keys", "precision"),
    [
        (MODEL, ROWS, {"tp": 2}, "bf16"),
        (MODEL, ROWS, {"dp": 2, "zero": 3}, "bf16"),
        (BOTH, SPANS, {"cp": 2}, "bf16"),
        (MODEL.model_copy(update={"residual": "post"}), ROWS, {}, "bf16"),
    ],
    ids=["tensor", "shards", "encoder-decoder", "norms of the stream"],
)
def test_stages_are_told_what_the_ones_beside_them_hand_on(model, rows, keys, precision, monkeypatch):
    """A stage that is simulated is told the shapes of what others send by a rule; here each says itself what it sends."""
    told: dict[int, list[Any]] = {}
    said: dict[int, list[Any]] = {}
    tell = Neighbours.tell

    def listen(self: Neighbours, stage: Any, other: int) -> Any:
        answer = tell(self, stage, other)
        told.setdefault(stage.stage_index, []).append(answer)
        return answer

    monkeypatch.setattr(Neighbours, "tell", listen)
    monkeypatch.setattr(Neighbours, "take", lambda self, words, other: said.setdefault(other, []).append(words))
    layout = Layout.model_validate({"pp": 4, "precision": precision, **keys})
    for stage in range(4):
        simulate(Simulation(model, layout, rows, num_micro_batches=4, rank=stage * layout.world_size // 4))
    assert {stage: sorted(map(str, words)) for stage, words in told.items()} == {
        stage: sorted(map(str, words)) for stage, words in said.items()
    }
    assert len(told) == 4
