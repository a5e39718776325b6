"""Published tokens a second beside ours, run by run."""

import pytest

from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.search import assess
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

WITHIN = 0.12
"""Of the measured speed: what the constants leave of the rows that they were fitted on."""


def gpt(dim: int, layers: int, heads: int, vocab: int, seq_len: int) -> ModelConfig:
    sizes = {"dim": dim, "num_layers": layers, "num_heads": heads, "num_kv_heads": heads, "ffn_dim": 4 * dim}
    plain = {"norm": "layer", "position": "learned", "feed_forward": "gelu", "vocab_size": vocab, "max_seq_len": seq_len}
    return ModelConfig.parse({**sizes, **plain}, "published")


def llm_foundry(dim: int, layers: int, heads: int, hardware: str, devices: int, batch: int, seq_len: int) -> Problem:
    model, rows = gpt(dim, layers, heads, 50368, seq_len), RowLengths.causal(seq_len)
    return Problem(model, rows, batch, find_hardware(hardware), devices, reduce_bytes=2, engine="published")


@pytest.mark.parametrize(
    ("problem", "layout", "tokens_per_s"),
    [
        (llm_foundry(4096, 32, 32, "a100-80", 8, 96, 2048), Layout(dp=8, zero=3, micro_batch=6), 4641),
        (llm_foundry(5120, 40, 40, "a100-40", 64, 1024, 2048), Layout(dp=64, zero=3, micro_batch=16, recompute="full"), 1976),
        (llm_foundry(1024, 24, 16, "a100-40", 128, 2304, 2048), Layout(dp=128, zero=3, micro_batch=18), 51934),
        (llm_foundry(2048, 24, 16, "a100-80", 8, 16, 65536), Layout(dp=8, zero=3, recompute="full"), 3044),
    ],
    ids=["7b on 8", "13b on 64", "350m on 128", "1b x 65,536"],
)
def test_llm_foundry(problem: Problem, layout: Layout, tokens_per_s: float) -> None:
    """The benchmarking table of llm-foundry (scripts/train/benchmarking)."""
    assert assess(problem, layout).tokens_per_s_per_device == pytest.approx(tokens_per_s, rel=WITHIN)


@pytest.mark.parametrize(("compiled", "tokens_per_s"), [(False, 5762), (True, 6667)], ids=["eager", "compiled"])
def test_torchtitan(compiled: bool, tokens_per_s: float) -> None:
    """Llama 3.1 8B under FSDP2 on 8 H100 limited to 500 W (torchtitan, benchmarks of December 2024)."""
    rows, device = RowLengths.causal(8192), find_hardware("h100-96-500w")
    problem = Problem(find_preset("llama3-8b").config, rows, 16, device, 8, compiled=compiled, engine="published")
    found = assess(problem, Layout(dp=8, zero=3, micro_batch=2, recompute="selective"))
    assert found.tokens_per_s_per_device == pytest.approx(tokens_per_s, rel=WITHIN)


@pytest.mark.parametrize(("dp", "tflops"), [(4, 153), (8, 149), (16, 141)])
def test_megatron(dp: int, tflops: float) -> None:
    """GPT of 175 B with TP8 PP12 (Narayanan et al. 2021, table 2): hardware TFLOP/s, all blocks computed again."""
    model, rows, device = gpt(12288, 96, 96, 51200, 2048), RowLengths.causal(2048), find_hardware("a100-80")
    how = {"precision": "fp16", "attention": "matmul", "sequence_parallel": False, "engine": "published"}
    problem = Problem(model, rows, 1536, device, 96 * dp, **how)
    layout = Layout(dp=dp, tp=8, pp=12, recompute="full", schedule="interleaved", precision="fp16")
    assert assess(problem, layout).hfu * 312 == pytest.approx(tflops, rel=WITHIN)
