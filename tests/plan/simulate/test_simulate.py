"""Simulated peaks against torch's own tracker, against the bytes that real steps take, and against the formulas."""

import warnings
from dataclasses import replace
from typing import get_args

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from groundup.core.errors import ConfigError
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig, PositionName
from groundup.nn.transformer import Inputs, build_model
from groundup.plan.probe import made_up_batch
from groundup.plan.simulate import Simulation, simulate
from groundup.plan.simulate.fake import fake_world
from groundup.plan.simulate.simulation import MOST_BLOCKS
from groundup.train.loss_scale import MINIMUM
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import OPTIMIZERS, build_optimizer
from groundup.train.parallel.config import Layout
from groundup.train.step import TrainStep
from models import ATTENTIONS, SHAPES, small_config
from peaks import allocations

MIB = 2**20
GPT2 = {"norm": "layer_no_bias", "position": "learned", "feed_forward": "gelu"}
GPT2_124M = ModelConfig.model_validate(
    {
        **GPT2,
        **{"vocab_size": 50257, "dim": 768, "num_layers": 12, "num_heads": 12, "num_kv_heads": 12, "ffn_dim": 3072},
        "max_seq_len": 1024,
    }
)
SAME_TRACKER = 0.001  # one seed of the random numbers of dropout masks and the like
REAL_TOLERANCE = 0.02  # kernels' scratch, which no tracker sees
SIZES = {"vocab_size": 2000, "dim": 128, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 384, "max_seq_len": 128}
ROWS = RowLengths.causal(128)
SPANS = RowLengths(text_len=120, read_len=128, target_len=64, predicted_len=64)


def simulation(layout: dict, rows: RowLengths = ROWS, model: dict | None = None, **how) -> Simulation:
    return Simulation(ModelConfig.model_validate({**SIZES, **(model or {})}), Layout.model_validate(layout), rows, **how)


def fp32(**layout) -> dict:
    return {"precision": "fp32", **layout}


@pytest.mark.parametrize(("batch", "peak_mib"), [(1, 2594.7), (20, 24857.2)])
def test_gpt2_needs_what_torch_s_tracker_found_for_it(batch, peak_mib):
    """Measured by MemTracker of torch 2.13 on a GPT-2 of 124 M parameters written by others, with all logits at once in float32."""
    wanted = Simulation(GPT2_124M, Layout(precision="fp32", micro_batch=batch), RowLengths.causal(1024), loss="whole")
    found = simulate(replace(wanted, num_micro_batches=1))
    assert found.total / MIB == pytest.approx(peak_mib, rel=SAME_TRACKER)


def test_peak_is_that_of_torch_s_own_tracker_with_its_hooks():
    config = ModelConfig.model_validate({**SIZES, "tie_embeddings": False})  # sparse gradients are more than it knows
    with warnings.catch_warnings(), FakeTensorMode():
        warnings.simplefilter("ignore")
        model = build_model(config)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        tracker = MemTracker()
        tracker.track_external(model, optimizer)
        with tracker:
            for _ in range(2):
                tokens = torch.zeros(4, 128, dtype=torch.long)
                nn.functional.cross_entropy(model(Inputs(tokens)).flatten(0, 1), tokens.flatten()).backward()
                optimizer.step()
                optimizer.zero_grad()
                tracker.reset_mod_stats()
    expected = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    wanted = simulation(fp32(micro_batch=4), model={"tie_embeddings": False}, loss="whole", num_micro_batches=1)
    assert simulate(wanted).total == pytest.approx(expected, rel=SAME_TRACKER)


REAL = {
    "fp32": simulation(fp32(micro_batch=8)),
    "bf16 documents": simulation({"micro_batch": 8}, document_mask=True),
    "bf16_weights scores": simulation({"precision": "bf16_weights", "micro_batch": 8}, attention="matmul"),
    "fp16 selective": simulation({"precision": "fp16", "micro_batch": 8, "recompute": "selective"}),
    "fp32 full, one micro-batch": simulation(fp32(micro_batch=8, recompute="full"), num_micro_batches=1),
    "masked encoder": simulation(
        fp32(micro_batch=8), RowLengths(128, 128, 128, 19), {"shape": "encoder", "norm": "layer", "residual": "post"}
    ),
    "encoder-decoder": simulation(
        {"micro_batch": 8}, SPANS, {"shape": "encoder_decoder", "num_encoder_layers": 2, "tie_embeddings": False}
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_peak_is_that_of_a_real_step(name):
    wanted = REAL[name]
    workload = wanted.workload
    model = build_model(workload.model, workload.attention)
    model.init_weights(torch.Generator().manual_seed(0))
    step = TrainStep(
        model,
        build_optimizer(model, workload.optimizer),
        workload.precision,
        1.0,
        torch.device("cpu"),
        recompute=workload.recompute,
    )
    if step.loss_scale:
        step.loss_scale.value = MINIMUM  # no step is to be skipped
    batches = [made_up_batch(workload)] * workload.num_micro_batches
    step(batches, 1e-3)
    held = sum(tensor.nbytes for tensor in {*model.parameters(), *step.loss.model.parameters()})
    in_use = held + sum(value.nbytes for state in step.optimizer.state.values() for value in state.values())
    peak = in_use
    for size in allocations(lambda: step(batches, 1e-3)):
        in_use += size
        peak = max(peak, in_use)
    assert simulate(wanted).total == pytest.approx(peak, rel=REAL_TOLERANCE)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_in_a_simulation_what_it_keeps(name):
    optimizer = OptimizerConfig(name=name)
    wanted = simulation(fp32(), optimizer=optimizer)
    model = build_model(wanted.model)
    real = build_optimizer(model, optimizer)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    real.step()
    kept = sum(value.nbytes for state in real.state.values() for value in state.values())
    assert simulate(wanted).components["optimizer"] == kept


@pytest.mark.parametrize(
    "changes",
    [
        *({"position": position} for position in get_args(PositionName)),
        *({"attention": attention, **settings} for attention, settings in ATTENTIONS.items()),
        *({"shape": shape, **settings} for shape, settings in SHAPES.items()),
    ],
    ids=str,
)
def test_every_architecture_is_simulated(changes):
    config = small_config(**changes)
    assert simulate(Simulation(config, Layout(precision="fp32"), RowLengths.causal(64), num_micro_batches=1)).total > 0


@pytest.mark.parametrize(("name", "share"), [("muon", 0.3), ("adafactor", 1.0)])
def test_optimizers_of_whole_matrices_are_simulated_on_shards(name, share):
    """Of Adafactor's states most are means of columns, which every rank has."""
    alone, shared = (
        simulate(simulation(fp32(**keys), optimizer=OptimizerConfig(name=name))) for keys in ({}, {"dp": 4, "zero": 3})
    )
    assert shared.states.weights == alone.states.weights / 4
    assert shared.states.optimizer < share * alone.states.optimizer


def states(found) -> int:
    return sum(found.components[name] for name in ("weights", "optimizer"))


def test_shards_hold_their_part_of_the_states():
    alone = simulate(simulation(fp32()))
    for dp, factor in ((8, 8), (64, 8)):
        found = simulate(simulation(fp32(dp=dp, zero=3, sharding_factor=factor)))
        assert found.ranks == dp
        assert states(found) == pytest.approx(states(alone) / factor, rel=0.005)  # a counter of each tensor is not shared


def test_only_the_sharding_factor_counts_for_a_rank():
    hybrid, full = (simulate(simulation({"dp": dp, "zero": 3, "sharding_factor": 4})) for dp in (16, 4))
    assert hybrid.total == pytest.approx(full.total, rel=1e-3)


def test_a_copy_has_its_gradients_in_buckets_alone():
    """Those of several micro-batches are added up there: a copy takes what one process does."""
    alone, replicas = simulate(simulation(fp32(micro_batch=4))), simulate(simulation(fp32(dp=8, micro_batch=4)))
    assert replicas.components == alone.components
    assert replicas.total == alone.total


@pytest.mark.parametrize("layout", [{"dp": 4}, {"dp": 4, "zero": 3}, {"dp": 4, "zero": 3, "recompute": "selective"}])
def test_nothing_is_left_behind(layout, capfd):
    resize, state = torch.UntypedStorage.resize_, torch.get_rng_state()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        simulate(simulation(layout))
    assert not dist.is_initialized()
    assert torch.UntypedStorage.resize_ is resize
    assert torch.equal(torch.get_rng_state(), state)
    assert not said
    assert capfd.readouterr() == ("", "")
    assert type(torch.zeros(1)) is torch.Tensor


def test_nothing_is_left_behind_by_what_fails(monkeypatch):
    monkeypatch.setattr("groundup.plan.simulate.stepping.build_optimizer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simulate(simulation({"dp": 4, "zero": 3}))
    assert not dist.is_initialized()
    assert type(torch.zeros(1)) is torch.Tensor


BAD = {
    "tp=3 does not divide": ({"tp": 3}, {}),
    "pp=4 is more than the 2 blocks": ({"pp": 4}, {}),
    "loss=whole with tp=2": ({"tp": 2}, {"loss": "whole"}),
    "offload=all": ({"offload": "all"}, {}),
    "rank=4 is none of 4": ({"dp": 4}, {"rank": 4}),
    f"at most {MOST_BLOCKS}": ({}, {"model": {"num_layers": MOST_BLOCKS + 1}}),
    "rows of 129 tokens": ({}, {"rows": RowLengths.causal(129)}),
    "num_micro_batches=0": ({}, {"num_micro_batches": 0}),
}


@pytest.mark.parametrize("words", BAD)
def test_what_cannot_be_simulated_is_refused(words, capfd):
    layout, settings = BAD[words]
    with pytest.raises(ConfigError, match=words):
        simulate(simulation(layout, **settings))
    assert not dist.is_initialized()


def test_within_a_run_of_many_ranks_there_is_no_room_for_others():
    with fake_world(2), pytest.raises(ConfigError, match="rank 0 of 2 already"):
        simulate(simulation({"dp": 4}))
    assert not dist.is_initialized()


def test_json_has_the_components_of_the_peak():
    found = simulate(simulation(fp32()))
    said = found.as_json()
    assert said["simulated_peak"] == sum(said["simulated_components"].values()) == found.total
    assert "(+10.0%)" in found.render(round(1.1 * found.total))
