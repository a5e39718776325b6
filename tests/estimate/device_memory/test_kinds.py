"""Precisions, optimizers, offloading, key/value cache, sharding: rules that hold for every model, and published numbers."""

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.device_memory.inference import Inference, inference_memory, kv_cache_bytes
from groundup.estimate.device_memory.margin import allocator_share, measured
from groundup.estimate.device_memory.training import SoftwareName
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset, presets
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import Layout, Offload

GIB, GB = 2**30, 1e9
GPT2 = find_preset("gpt2").config
LLAMA_70B = find_preset("llama2-70b").config
BILLION = ModelConfig(
    norm="layer", position="learned", feed_forward="gelu_tanh", bias=True, dropout=0.1, attention_dropout=0.1, vocab_size=50257,
    dim=2048, num_layers=18, num_heads=16, num_kv_heads=16, ffn_dim=8192, max_seq_len=2048,
)  # fmt: skip
"""1.01B: width 2048, 18 layers, GPT-2's vocabulary."""


@pytest.mark.parametrize(
    ("micro_batch", "fused", "expected_gb"),
    [(1, True, 22.4), (2, True, 28.6), (4, True, 41.1), (10, True, 78.4), (1, False, 33.3), (4, False, 84.6)],
)
def test_one_billion_in_float32(micro_batch: int, fused: bool, expected_gb: float) -> None:
    """16 GB of states whatever the batch; 22 to 85 GB in all by micro-batch and kernel, so that no bytes a parameter exist."""
    layout = Layout(micro_batch=micro_batch, precision="fp32")
    found = device_memory(BILLION, layout, Training(RowLengths.causal(2048), attention="sdpa" if fused else "matmul"))
    assert found.states == pytest.approx(16 * total_parameters(BILLION), rel=1e-5)
    assert found.live / GB == pytest.approx(expected_gb, rel=0.015)


def test_key_value_cache_of_80_layers() -> None:
    """80 x 8192 at 4,096 tokens: 10.0 GiB with as many keys as queries, 1.25 with 8 of 64 (tools without the factor 2 say 5.0)."""
    asked = Inference(batch=1, context=4096)
    every = LLAMA_70B.model_copy(update={"num_kv_heads": 64})
    assert kv_cache_bytes(every, asked) == 10.0 * GIB
    assert kv_cache_bytes(LLAMA_70B, asked) == 1.25 * GIB
    assert kv_cache_bytes(LLAMA_70B, asked, tp=8) == 1.25 * GIB / 8
    assert kv_cache_bytes(LLAMA_70B, asked, tp=16) == 1.25 * GIB / 8  # two ranks hold each head


@pytest.mark.parametrize(("weights", "size"), [("fp32", 4), ("bf16", 2), ("fp16", 2), ("fp8", 1), ("int8", 1), ("int4", 0.5)])
def test_weights_in_inference(weights: Any, size: float) -> None:
    found = inference_memory(LLAMA_70B, Layout(), Inference(1, 4096, weights))
    assert found.lines["weights"] == total_parameters(LLAMA_70B) * size


@pytest.mark.parametrize(
    ("optimizer", "low", "high"),
    [
        (OptimizerConfig(name="adamw"), 8.0, 8.0),
        (OptimizerConfig(name="adamw", momentum_precision="bf16"), 6.0, 6.0),
        (OptimizerConfig(name="lion"), 4.0, 4.0),
        (OptimizerConfig(name="muon"), 4.0, 8.0),
        (OptimizerConfig(name="adafactor"), 0.0, 0.1),
        ("adamw_8bit", 2.03125, 2.03125),
    ],
)
def test_optimizers_keep_bytes_a_parameter(optimizer: Any, low: float, high: float) -> None:
    found = device_memory(GPT2, Layout(), Training(RowLengths.causal(128), optimizer=optimizer))
    each = found.lines["optimizer"] / total_parameters(GPT2)
    assert low - 1e-4 <= each <= high + 1e-4


@pytest.mark.parametrize("offload", get_args(Offload))
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_offloading_moves_states_and_loses_none(offload: Offload, zero: Any) -> None:
    here = device_memory(LLAMA_70B, Layout(dp=4, zero=zero), Training(RowLengths.causal(1024)))
    away = device_memory(LLAMA_70B, Layout(dp=4, zero=zero, offload=offload), Training(RowLengths.causal(1024)))
    assert here.host_bytes == 0
    moved = {"none": 0, "optimizer": here.lines["optimizer"] + here.lines["master_weights"], "all": here.states}[offload]
    assert moved <= away.host_bytes <= moved + here.lines["buffers"]
    assert away.states + min(moved, away.host_bytes) == here.states


def test_18_bytes_where_gradients_have_32_bits() -> None:
    params = total_parameters(GPT2)
    for gradients_fp32, each in ((False, 16), (True, 18)):
        training = Training(RowLengths.causal(128), software="megatron", gradients_fp32=gradients_fp32)
        assert device_memory(GPT2, Layout(), training).states == pytest.approx(each * params, rel=1e-4)


def test_gradients_are_divided_among_tensor_and_pipeline_ranks() -> None:
    """Tools that divide weights alone print 8 times the gradients of a 20B model on 8 tensor-parallel ranks."""
    model = find_preset("llama-33b").config
    one, eight = (device_memory(model, Layout(tp=tp, zero=1), Training(RowLengths.causal(128))).lines for tp in (1, 8))
    for line in ("weights", "gradients", "master_weights", "optimizer"):
        assert eight[line] == pytest.approx(one[line] / 8, rel=1e-3)


def test_weights_are_not_divided_twice() -> None:
    """Of ZeRO-3 beside tensor parallelism: tp x dp ranks hold the model once."""
    model = find_preset("llama2-7b").config
    found = device_memory(model, Layout(tp=2, dp=4, zero=3), Training(RowLengths.causal(128)))
    assert found.lines["weights"] == pytest.approx(4 * total_parameters(model) / 8, rel=1e-3)


def test_tied_embeddings_lie_on_the_first_and_the_last_stage() -> None:
    model = find_preset("bloom-176b").config
    matrix = model.vocab_size * model.dim
    stages = [device_memory(model, Layout(pp=pp), Training(RowLengths.causal(64))).params for pp in (1, 70)]
    assert stages[0] == total_parameters(model)
    assert stages[1] >= matrix


def test_a_margin_leaves_out_the_family_that_is_predicted() -> None:
    families = {row["family"] for row in measured()["allocator"]}
    shares = [allocator_share(family) for family in families]
    assert len(set(shares)) > 1
    assert all(0 < share < 0.35 for share in (*shares, allocator_share()))
    assert all(row["source"] for table in measured().values() for row in table)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from([name for name in presets() if "tiny" not in name]),
    dp=st.sampled_from([1, 2, 8]),
    tp=st.sampled_from([1, 2, 4]),
    pp=st.sampled_from([1, 2, 4]),
    zero=st.sampled_from([0, 1, 2, 3]),
    recompute=st.sampled_from(["none", "selective", "full"]),
    precision=st.sampled_from(["fp32", "bf16", "fp16", "bf16_weights"]),
    software=st.sampled_from([None, *get_args(SoftwareName)]),
)
def test_more_of_anything_never_takes_less(name: str, software: Any, **keys: Any) -> None:
    """A larger micro-batch and a longer sequence take more, more shards and more recomputation less; lines are never negative."""
    model = find_preset(name).config
    layout = Layout(**keys)

    def total(changed: Layout, seq_len: int = 256) -> int:
        found = device_memory(model, changed, Training(RowLengths.causal(seq_len), software=software))
        assert min(found.lines.values()) >= 0
        assert found.total == sum(found.lines.values())
        return found.live

    base = total(layout)
    assert total(layout.model_copy(update={"micro_batch": 2})) > base
    assert total(layout, 512) > base
    if layout.zero == 3 and layout.dp > 1:
        assert total(layout.model_copy(update={"dp": 2 * layout.dp})) < base
