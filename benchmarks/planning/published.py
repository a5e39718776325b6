"""Published throughput as problems and layouts of groundup, with the measured time of a step.

Rows are read from the folder of published runs (GROUNDUP_DATA, else ../shared/data); what those tables leave out is said here with
its source. BLOOM is in none of them: it is what the constants fitted on them are judged by.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from published_shapes import MPT

from groundup.estimate.flops import flops_per_row, recomputed_flops_per_row
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

DATA = Path(os.environ.get("GROUNDUP_DATA", Path(__file__).parents[2] / "../shared/data")) / "planning"
GPT = {
    "megatron21-7.5B": (4096, 36, 32),
    "megatron21-39.1B": (8192, 48, 64),
    "megatron21-145.6B": (12288, 80, 96),
    "megatron21-t2-PTD-174.6B": (12288, 96, 96),
    "megatron21-t2-PTD-529.6B": (20480, 105, 128),
    "korthikanti-22B": (6144, 48, 64),
    "korthikanti-175B": (12288, 96, 96),
}
"""Of Narayanan et al. 2021, tables 1 and 2, and Korthikanti et al. 2022, table 3."""
KORTHIKANTI: dict[str, dict[str, Any]] = {
    "korthikanti-22B": {"pp": 1, "batch": 4, "micro_batch": 4},
    "korthikanti-175B": {"pp": 8, "batch": 64, "micro_batch": 1, "schedule": "interleaved"},
}
"""Korthikanti et al. 2022, table 3."""
RUNS = "published_runs.csv"
THROUGHPUT = "llm_foundry_throughput_a100.csv"


@dataclass(frozen=True)
class Measured:
    """One published run."""

    name: str
    family: str
    """Runs of one code on one kind of device, left out of a fit together."""
    problem: Problem
    layout: Layout
    step_s: float

    @property
    def tokens_per_s_per_device(self) -> float:
        return self.problem.tokens / self.step_s / self.problem.devices


def rows(folder: Path = DATA) -> list[Measured]:
    """Return all rows that say their layout and their speed; FP8 and sums over whole runs, interruptions included, are left out."""
    return [*_llm_foundry(folder), *_others(folder)]


def _llm_foundry(folder: Path) -> Iterator[Measured]:
    for row in _read(folder / THROUGHPUT):
        dim, layers, heads = MPT[row["Model"]]
        seq_len, devices, micro_batch = int(row["SeqLen (T)"]), int(row["# GPUs"]), int(row["MicroBatchSize"])
        batch = micro_batch * int(row["GradAccum"]) * devices
        hardware = find_hardware(row["GPU"])
        problem = Problem(
            model=_gpt(dim, layers, heads, 50368, seq_len),
            rows=RowLengths.causal(seq_len),
            batch_sequences=batch,
            hardware=hardware,
            devices=devices,
            reduce_bytes=2,
            engine="published",
        )
        recompute = "full" if row["Activation Checkpointing"] == "True" else "none"
        layout = Layout(dp=devices, zero=3, micro_batch=micro_batch, recompute=recompute)
        step_s = batch * seq_len / (float(row["Throughput (T/s/GPU)"]) * devices)
        name = f"{row['Model']} x {seq_len:,} on {devices}"
        yield Measured(name, f"llm-foundry, {hardware.name}", problem, layout, step_s)


def _others(folder: Path) -> Iterator[Measured]:
    for row in _read(folder / RUNS):
        name, metric = row["id"], row["metric"]
        if name.startswith("tt-8b") and metric == "tokens_per_s_per_gpu" and row["precision"] == "bf16":
            yield _torchtitan(row)
        elif name.startswith("megatron21") and metric.startswith("hw_TFLOPs"):
            yield _megatron(row)
        elif name.startswith("korthikanti") and metric == "MFU":
            yield _korthikanti(row)
        elif metric == "seconds_per_iteration":
            yield _nanogpt(row)


def _torchtitan(row: dict[str, str]) -> Measured:
    devices, batch, seq_len = int(row["n_accel"]), int(row["global_batch_seqs"]), int(row["seq"])
    problem = Problem(
        model=find_preset("llama3-8b").config,
        rows=RowLengths.causal(seq_len),
        batch_sequences=batch,
        hardware=find_hardware("h100-96-500w"),
        devices=devices,
        compiled="compile" in row["id"],
        engine="published",
    )
    layout = Layout(dp=devices, zero=3, micro_batch=int(row["micro_batch"]), recompute="selective")
    return Measured(row["id"], "torchtitan", problem, layout, batch * seq_len / (float(row["value"]) * devices))


def _megatron(row: dict[str, str]) -> Measured:
    """Hardware TFLOP/s count full recomputation (Narayanan et al. 2021, section 5.1); with pp > 1 they interleave."""
    devices, batch, seq_len, pp = (int(row[key]) for key in ("n_accel", "global_batch_seqs", "seq", "pp"))
    problem = _megatron_problem(row["id"].removesuffix(f"-{devices}g"), seq_len, batch, devices, sequence_parallel=False)
    layout = Layout(
        dp=int(row["dp"]),
        tp=int(row["tp"]),
        pp=pp,
        micro_batch=int(row["micro_batch"] or 1),
        recompute="full",
        schedule="interleaved" if pp > 1 else None,
        precision="fp16",
    )
    flops = flops_per_row(problem.model, problem.rows)
    again = recomputed_flops_per_row(problem.model, problem.rows, "full", "matmul")
    return Measured(row["id"], "megatron-2021", problem, layout, batch * (flops + again) / (float(row["value"]) * 1e12 * devices))


def _korthikanti(row: dict[str, str]) -> Measured:
    own = KORTHIKANTI[row["id"]]
    tp, pp, batch = int(row["tp"]), own["pp"], own["batch"]
    problem = _megatron_problem(row["id"], int(row["seq"]), batch, tp * pp, sequence_parallel=True)
    layout = Layout(
        tp=tp,
        pp=pp,
        micro_batch=own["micro_batch"],
        recompute="selective",
        schedule=own.get("schedule"),
        precision="fp16",
    )
    step_s = problem.model_flops / (float(row["value"]) / 100 * problem.peak_flops_per_s * problem.devices)
    return Measured(row["id"], "korthikanti-2022", problem, layout, step_s)


def _nanogpt(row: dict[str, str]) -> Measured:
    batch, seq_len, micro_batch = int(row["global_batch_seqs"]), int(row["seq"]), int(row["micro_batch"])
    model = _gpt(int(row["hidden"]), int(row["layers"]), int(row["hidden"]) // 64, 50304, seq_len)
    problem = Problem(model, RowLengths.causal(seq_len), batch, find_hardware("a100-40-sxm"), 1, compiled=True, engine="published")
    return Measured(row["id"], "nanogpt", problem, Layout(micro_batch=micro_batch), float(row["value"]))


def _megatron_problem(name: str, seq_len: int, batch: int, devices: int, sequence_parallel: bool) -> Problem:
    return Problem(
        model=_gpt(*GPT[name], 51200, seq_len),
        rows=RowLengths.causal(seq_len),
        batch_sequences=batch,
        hardware=find_hardware("a100-80-sxm"),
        devices=devices,
        precision="fp16",
        attention="matmul",
        sequence_parallel=sequence_parallel,
        engine="published",
    )


def _gpt(dim: int, layers: int, heads: int, vocab: int, seq_len: int) -> ModelConfig:
    return ModelConfig(
        dim=dim,
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=heads,
        ffn_dim=4 * dim,
        vocab_size=vocab,
        max_seq_len=seq_len,
        norm="layer",
        position="learned",
        feed_forward="gelu",
    )


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
