"""What is kept of a forward pass, against the formulas of Korthikanti et al. 2022, written here from the paper."""

import pytest

from groundup.estimate.device_memory.activations import bytes_on_device, in_flight, kept_tensors
from groundup.estimate.device_memory.stages import Stage, stages_of
from groundup.estimate.device_memory.training import Method, Training, settle
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.train.config import Recompute
from groundup.train.parallel.config import Layout, PipelineSchedule

SEQ_LEN, MICRO_BATCH, DIM, HEADS = 2048, 4, 6144, 64
STATISTICS = 16 * SEQ_LEN * MICRO_BATCH
"""Bytes of mean and standard deviation of two norms, which the paper leaves out."""
GPT = ModelConfig(
    norm="layer", position="learned", feed_forward="gelu_tanh", bias=True, dropout=0.1, attention_dropout=0.1, vocab_size=51200,
    dim=DIM, num_layers=48, num_heads=HEADS, num_kv_heads=HEADS, ffn_dim=4 * DIM, max_seq_len=SEQ_LEN,
)  # fmt: skip
"""22B of table 3."""


def method_of(tp: int, recompute: Recompute, sequence_parallel: bool, fused: bool = False) -> Method:
    training = Training(
        RowLengths.causal(SEQ_LEN),
        attention="sdpa" if fused else "matmul",
        sequence_parallel=sequence_parallel,
        software="megatron",
    )
    return settle(training, Layout(tp=tp, recompute=recompute, micro_batch=MICRO_BATCH, precision="fp16"))


def layer_bytes(method: Method, model: ModelConfig = GPT) -> float:
    return bytes_on_device(method, kept_tensors(method, model, SEQ_LEN, SEQ_LEN, reads=False), SEQ_LEN * MICRO_BATCH)


@pytest.mark.parametrize("tp", [1, 2, 8])
def test_a_layer_keeps_what_the_paper_says(tp: int) -> None:
    """Table 2, rows 1 to 6; sbh in bytes, t the ranks of tensor parallelism."""
    sbh = SEQ_LEN * MICRO_BATCH * DIM
    scores = 5 * HEADS * SEQ_LEN / DIM
    expected = {
        ("none", False): sbh * (10 + 24 / tp + scores / tp),
        ("none", True): sbh / tp * (34 + scores),
        ("selective", False): sbh * (10 + 24 / tp),
        ("selective", True): sbh * 34 / tp,
        ("full", False): sbh * 2,
        ("full", True): sbh * 2 / tp,
    }
    for (recompute, sequence_parallel), size in expected.items():
        found = layer_bytes(method_of(tp, recompute, sequence_parallel))  # type: ignore[arg-type]
        assert found == pytest.approx(size, abs=STATISTICS), (recompute, sequence_parallel)


def test_fused_attention_keeps_no_scores() -> None:
    """34 sbh and the log-sum-exp, 4 bytes a head and token: tools that have no such option are wrong by 5 a s / h (8.8 times)."""
    found = layer_bytes(method_of(1, "none", False, fused=True))
    tokens = SEQ_LEN * MICRO_BATCH
    assert found == tokens * (34 * DIM + 4 * HEADS) + STATISTICS


def test_a_gate_and_shared_keys_count() -> None:
    """SwiGLU keeps gate, its activation, the widened stream and their product; keys and values are of the few heads."""
    llama = find_preset("llama3-8b").config
    names = {tensor.name: tensor.num_bytes for tensor in kept_tensors(method_of(1, "none", False, True), llama, 8, 8, False)}
    assert names["feed-forward"] == 2 * 4 * 14336
    assert names["attention: queries, keys, values, result"] == 2 * (2 * 4096 + 2 * 1024)


def test_torchtitan_keeps_every_second_product() -> None:
    """Of seven products q, v, gate and down; the fused attention's result; the block's input (mode 'op')."""
    llama = find_preset("llama3-8b").config
    method = settle(Training(RowLengths.causal(8192)), Layout(dp=8, zero=3, recompute="selective"))
    kept = sum(tensor.num_bytes for tensor in kept_tensors(method, llama, 8192, 8192, False))
    assert kept == 2 * (4096 + 4096 + 1024 + 14336 + 4096 + 4096) + 4 * 32


@pytest.mark.parametrize(
    ("schedule", "stage", "expected"),
    [
        ("1f1b", 0, 8),
        ("1f1b", 7, 1),
        ("gpipe", 0, 32),
        ("gpipe", 7, 32),
        ("zero_bubble", 7, 8),
        ("interleaved", 0, 8 * (1 + 7 / 16)),
    ],
)
def test_micro_batches_in_flight(schedule: PipelineSchedule, stage: int, expected: float) -> None:
    """1F1B p - i, GPipe m, interleaved p (1 + (p - 1) / (p v)) on the first stage (Narayanan et al. 2021, section 2.2)."""
    training = Training(RowLengths.causal(8), num_micro_batches=32)
    method = settle(training, Layout(pp=8, schedule=schedule))
    assert in_flight(method, Stage(stage, 8, 0, 4)) == pytest.approx(expected)


def test_stages_are_those_of_published_runs() -> None:
    """BLOOM: 70 blocks on 12 stages; Llama 3 405B: 126 on 8 (both leave the lack to the first and the last)."""
    bloom = [stage.blocks for stage in stages_of(find_preset("bloom-176b").config, 12)]
    assert bloom == [5, 6, 5]
    assert [stage.blocks for stage in stages_of(find_preset("llama3-405b").config, 8)] == [15, 16, 15]
    t5 = stages_of(find_preset("t5-11b").config, 4)
    assert [(stage.encoder_blocks, stage.blocks) for stage in t5] == [(12, 0), (12, 0), (0, 12), (0, 12)]
