"""Rows about memory."""

from collections.abc import Iterator

from acceptance_checks import PLANNING, Check, read_rows, worst
from memory_rows import further, given

from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.device_memory.inference import Inference, inference_memory, kv_cache_bytes
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import AttentionName
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

GPT = {"norm": "layer", "position": "learned", "feed_forward": "gelu_tanh", "bias": True}
GIB, MIB = 2**30, 2**20
TOTALS_GB: dict[tuple[int, AttentionName], float] = {
    (1, "sdpa"): 22.4,
    (2, "sdpa"): 28.6,
    (4, "sdpa"): 41.1,
    (10, "sdpa"): 78.4,
    (1, "matmul"): 33.3,
    (4, "matmul"): 84.6,
}
"""Of a model of 1.01B in float32, by micro-batch and kernel."""


def gpt(dim: int, num_layers: int, num_heads: int, seq_len: int, **choices: object) -> ModelConfig:
    """Return a GPT with GPT-2's vocabulary."""
    sizes = {"dim": dim, "num_layers": num_layers, "num_heads": num_heads, "num_kv_heads": num_heads, "ffn_dim": 4 * dim}
    return ModelConfig.parse({**GPT, **sizes, "vocab_size": 50257, "max_seq_len": seq_len, **choices}, "table")


def zero_states() -> Iterator[Check]:
    """States of ZeRO (Rajbhandari et al. 2020, figure 1 and table 1), a byte count of a real model scaled to the table's size."""
    model = find_preset("llama3-8b").config
    params = total_parameters(model)
    checks = []
    for row in read_rows(PLANNING / "zero_model_states.csv"):
        layout = Layout(dp=int(row["dp"]), zero=int(row["stage"]), precision="fp16")
        states = device_memory(model, layout, Training(RowLengths.causal(8))).states
        ours = states / params * float(row["params_billion"])
        checks.append(Check(f"{row['params_billion']}B d={row['dp']} stage {row['stage']}", float(row["GB_decimal"]), ours, 0.005))
    yield worst(checks, "ZeRO, GB of states")


def one_billion() -> Iterator[Check]:
    """A model of 1B in float32: states, totals by micro-batch and kernel."""
    model = gpt(2048, 18, 16, 2048, dropout=0.1, attention_dropout=0.1)
    params = total_parameters(model)
    rows = RowLengths.causal(2048)
    states = device_memory(model, Layout(precision="fp32"), Training(rows)).states
    yield Check("float32 Adam, bytes of states a parameter", 16, states / params, 1e-5)
    for (micro_batch, attention), expected in TOTALS_GB.items():
        layout = Layout(micro_batch=micro_batch, precision="fp32")
        live = device_memory(model, layout, Training(rows, attention=attention)).live
        yield Check(f"1.01B, micro-batch {micro_batch}, {attention}, GB without margin", expected, live / 1e9, 0.015)


def weight_formats() -> Iterator[Check]:
    """Weights of a model in generating text, by format."""
    model = gpt(2048, 18, 16, 2048)
    for weights, size in (("fp32", 4), ("fp16", 2), ("bf16", 2), ("int8", 1)):
        found = inference_memory(model, Layout(), Inference(1, 2048, weights)).lines["weights"]  # type: ignore[arg-type]
        yield Check(f"weights in {weights}, bytes a parameter", size, found / total_parameters(model), 1e-12)


def memory_tracker() -> Iterator[Check]:
    """GPT-2 124M in float32 as torch's MemTracker sees it, second step."""
    model = gpt(768, 12, 12, 1024, norm="layer_no_bias", bias=False)
    for row in read_rows(PLANNING / "memtrack_oracle_results.csv"):
        layout = Layout(micro_batch=int(row["batch"]), precision="fp32")
        live = device_memory(model, layout, Training(RowLengths.causal(int(row["seq"])), num_micro_batches=1)).live
        yield Check(f"MemTracker, batch {row['batch']}, MiB", float(row["peak_total_MiB"]), live / MIB, 0.03)


def torchtitan_drop() -> Iterator[Check]:
    """What 128 ranks hold less than 8, Llama 3.1 8B."""
    model = find_preset("llama3-8b").config
    few, many = (
        device_memory(
            model,
            Layout(dp=dp, zero=3, micro_batch=2, recompute="selective"),
            Training(RowLengths.causal(8192), own_family="torchtitan"),
        ).total
        for dp in (8, 128)
    )
    for what, expected in (("eager", 15.4), ("compiled", 15.0)):
        yield Check(f"8 to 128 GPUs, {what}, GiB", expected, (few - many) / GIB, 0.15)


def peak_memory() -> Iterator[Check]:
    """Peak memory of published runs, FP8 apart."""
    for run in (*given(), *further()):
        note = "FP8" if run.is_fp8 else ""
        yield Check(f"{run.name}, GiB", run.measured, run.memory.total / GIB, 0.15 if run.is_fp8 else 0.10, note=note)


def cache() -> Iterator[Check]:
    """Keys and values of 80 layers of 8192 at 4,096 tokens."""
    model = find_preset("llama2-70b").config
    asked = Inference(1, 4096)
    yield Check(
        "KV cache, 64 of 64 heads, GiB", 10.0, kv_cache_bytes(model.model_copy(update={"num_kv_heads": 64}), asked) / GIB, 1e-12
    )
    yield Check("KV cache, 8 of 64 heads, GiB", 1.25, kv_cache_bytes(model, asked) / GIB, 1e-12)
