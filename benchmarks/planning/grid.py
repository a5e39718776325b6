"""Hold the formulas of memory against simulated training steps, over a grid of models and layouts.

    python benchmarks/planning/grid.py [--only PART_OF_A_NAME] [--real] [--json FILE]

Prints the table of docs/simulate.md. Both sides count the bytes of tensors alone: no allocator, no context of a device. With --real
some configurations train a few steps in fresh processes, whose resident memory grows by an allocator's gaps more.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from groundup.core.allocator import c_library, lacking
from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.nn.threads import threads
from groundup.plan.probe import StepProbe
from groundup.plan.simulate import Simulation, simulate
from groundup.train.config import TrainConfig
from groundup.train.libraries import load_libraries
from groundup.train.memory import kept_memory
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import Layout

TOLERANCE = 0.05
SIZES = {
    "vocab_size": 16_384,
    "dim": 768,
    "num_layers": 6,
    "num_heads": 12,
    "num_kv_heads": 12,
    "ffn_dim": 2048,
    "max_seq_len": 1024,
}
GPT2 = {"norm": "layer", "position": "learned", "feed_forward": "gelu_tanh", "bias": True, "ffn_dim": 3072}
BERT = {**GPT2, "shape": "encoder", "feed_forward": "gelu", "residual": "post", "embedding_norm": True, "head_transform": True}
T5 = {
    "shape": "encoder_decoder",
    "num_encoder_layers": 6,
    "position": "t5_bias",
    "feed_forward": "geglu_tanh",
    "tie_embeddings": False,
    "scale_scores": False,
}
BART = {**GPT2, "shape": "encoder_decoder", "num_encoder_layers": 6, "residual": "post", "embedding_norm": True}
GQA = {"num_kv_heads": 4}
CAUSAL = RowLengths.causal(1024)
MASKED = RowLengths(text_len=1024, read_len=1024, target_len=1024, predicted_len=154)
SPANS = RowLengths(text_len=1024, read_len=1024, target_len=256, predicted_len=256)


@dataclass(frozen=True)
class Configuration:
    """One cell of the grid."""

    layout: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    rows: RowLengths = CAUSAL
    optimizer: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)
    """Settings of the simulation: attention, loss, num_micro_batches, document_mask."""

    @property
    def simulation(self) -> Simulation:
        return Simulation(
            ModelConfig.model_validate({**SIZES, **self.model}),
            Layout.model_validate(self.layout),
            self.rows,
            OptimizerConfig.model_validate(self.optimizer),
            **self.how,
        )


def fp32(**layout: Any) -> dict[str, Any]:
    return {"precision": "fp32", **layout}


def ranks(dp: int, factor: int | None = None, **layout: Any) -> dict[str, Any]:
    return {"dp": dp, "zero": 3, "sharding_factor": factor, **layout}


SELECTIVE: dict[str, Any] = {"recompute": "selective"}
FULL: dict[str, Any] = {"recompute": "full"}
WHOLE, ONCE, WRITTEN = {"loss": "whole"}, {"num_micro_batches": 1}, {"attention": "matmul"}
GRID: dict[str, Configuration] = {
    "decoder fp32": Configuration(fp32()),
    "decoder fp32 x4": Configuration(fp32(micro_batch=4)),
    "decoder bf16 x4": Configuration({"micro_batch": 4}),
    "decoder fp16 x4": Configuration({"precision": "fp16", "micro_batch": 4}),
    "decoder bf16_weights x4": Configuration({"precision": "bf16_weights", "micro_batch": 4}),
    "decoder bf16 x4 selective": Configuration({"micro_batch": 4, **SELECTIVE}),
    "decoder bf16 x4 full": Configuration({"micro_batch": 4, **FULL}),
    "decoder fp32 x4 full": Configuration(fp32(micro_batch=4, **FULL)),
    "decoder fp32 scores written x2": Configuration(fp32(micro_batch=2), how=WRITTEN),
    "decoder bf16 documents x4": Configuration({"micro_batch": 4}, how={"document_mask": True}),
    "decoder bf16 one micro-batch x4": Configuration({"micro_batch": 4}, how=ONCE),
    "decoder GQA bf16 x8": Configuration({"micro_batch": 8}, GQA),
    "decoder GPT-2 fp32 whole logits x4": Configuration(fp32(micro_batch=4), GPT2, how={**WHOLE, **ONCE}),
    "decoder GPT-2 bf16 whole logits x4": Configuration({"micro_batch": 4}, GPT2, how=WHOLE),
    "decoder adafactor bf16 x4": Configuration({"micro_batch": 4}, optimizer={"name": "adafactor"}),
    "decoder muon bf16 x4": Configuration({"micro_batch": 4}, optimizer={"name": "muon"}),
    "decoder lion fp32 x2": Configuration(fp32(micro_batch=2), optimizer={"name": "lion"}),
    "encoder fp32 x4": Configuration(fp32(micro_batch=4), BERT, MASKED),
    "encoder bf16 x8 selective": Configuration({"micro_batch": 8, **SELECTIVE}, BERT, MASKED),
    "encoder-decoder fp32 x2": Configuration(fp32(micro_batch=2), T5, SPANS),
    "encoder-decoder bf16 x4 full": Configuration({"micro_batch": 4, **FULL}, T5, SPANS),
    "encoder-decoder BART bf16 x4": Configuration({"micro_batch": 4}, BART, SPANS),
    "decoder DDP 8 fp32 x2": Configuration(fp32(dp=8, micro_batch=2)),
    "decoder DDP 8 bf16 x4 full": Configuration({"dp": 8, "micro_batch": 4, **FULL}),
    "encoder-decoder DDP 4 bf16 x4": Configuration({"dp": 4, "micro_batch": 4}, BART, SPANS),
    "decoder FSDP 8 fp32 x2": Configuration(fp32(**ranks(8, micro_batch=2))),
    "decoder FSDP 8 bf16 x4": Configuration(ranks(8, micro_batch=4)),
    "decoder FSDP 8 fp16 x4": Configuration(ranks(8, micro_batch=4, precision="fp16")),
    "decoder FSDP 64 bf16 x4 whole logits": Configuration(ranks(64, micro_batch=4), how=WHOLE),
    "decoder FSDP 64 bf16 x4 selective": Configuration(ranks(64, micro_batch=4, **SELECTIVE), GQA),
    "decoder FSDP 64 bf16 x4 full": Configuration(ranks(64, micro_batch=4, **FULL), GQA),
    "decoder FSDP 512 bf16 x1 full": Configuration(ranks(512, micro_batch=1, **FULL)),
    "decoder hybrid 64/8 bf16 x4": Configuration(ranks(64, 8, micro_batch=4), GQA),
    "decoder hybrid 64/8 bf16 x4 full": Configuration(ranks(64, 8, micro_batch=4, **FULL)),
    "decoder hybrid 64/1 bf16 x4": Configuration(ranks(64, 1, micro_batch=4)),
    "decoder GPT-2 FSDP 16 bf16 x4": Configuration(ranks(16, micro_batch=4), GPT2),
    "decoder lion FSDP 16 fp32 x2": Configuration(fp32(**ranks(16, micro_batch=2)), GPT2, optimizer={"name": "lion"}),
    "encoder FSDP 8 bf16 x8": Configuration(ranks(8, micro_batch=8), BERT, MASKED),
    "encoder-decoder FSDP 8 bf16 x4": Configuration(ranks(8, micro_batch=4), T5, SPANS),
    "encoder-decoder BART hybrid 16/4 bf16 x4 full": Configuration(ranks(16, 4, micro_batch=4, **FULL), BART, SPANS),
}


REAL = ("decoder fp32", "decoder bf16 x4 full", "encoder fp32 x4")
SHORT = (
    "decoder fp32",
    "decoder bf16_weights x4",
    "decoder bf16 x4 full",
    "encoder fp32 x4",
    "encoder-decoder fp32 x2",
    "decoder DDP 8 fp32 x2",
    "decoder FSDP 64 bf16 x4 selective",
    "decoder hybrid 64/8 bf16 x4 full",
)
"""Of each kind one, for the tests."""


def predicted_bytes(wanted: Simulation) -> dict[str, int]:
    """Return what the formulas say of tensors, by line."""
    training = Training(
        wanted.rows,
        wanted.optimizer,
        software="groundup",
        attention=wanted.attention,
        num_micro_batches=wanted.num_micro_batches,
        loss=wanted.loss,
        document_mask=wanted.document_mask,
    )
    memory = device_memory(wanted.model, wanted.layout, training)
    return {**{str(line): size for line, size in memory.lines.items()}, "total": memory.live}


def shallow(wanted: Simulation) -> Simulation:
    """Return the same with three blocks a stack."""
    stacks = {name: 3 for name in ("num_layers", "num_encoder_layers") if getattr(wanted.model, name)}
    return replace(wanted, model=wanted.model.model_copy(update=stacks))


def compare(wanted: Simulation) -> tuple[int, int, float]:
    """Return what the formulas say and what the simulated step holds at its peak [bytes], and the time that this took [s]."""
    simulated = simulate(wanted)
    return predicted_bytes(wanted)["total"], simulated.total, simulated.elapsed_s


def measure(name: str) -> int:
    """Return by how much a real step of the configuration raises the peak resident memory of this process [bytes]."""
    workload = GRID[name].simulation.workload
    device = torch.device("cpu")
    train = TrainConfig(precision=workload.precision, recompute=workload.recompute, optimizer=workload.optimizer)
    probe = StepProbe(train, device)
    load_libraries(workload.optimizer, device)
    with threads(1), kept_memory():
        return probe.memory_growth(workload)


def measured(name: str) -> int:
    """Return the same of a fresh process, with the settings that commands begin with."""
    environment = {**os.environ, **lacking(os.environ, c_library())}
    command = [sys.executable, __file__, "--measure", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", default="", help="configurations whose names hold this")
    arguments.add_argument("--json", type=Path, help="write the rows there, too")
    arguments.add_argument("--real", action="store_true", help="also take real steps of those in REAL")
    arguments.add_argument("--measure", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.measure:
        print(measure(options.measure))
        return
    rows: list[dict[str, Any]] = []
    print("| configuration | formulas [MB] | simulated [MB] | difference | real growth [MB] | over the simulated |")
    print("|---|---|---|---|---|---|")
    for name in (name for name in GRID if options.only in name):
        predicted, simulated, elapsed_s = compare(GRID[name].simulation)
        real = measured(name) if options.real and name in REAL else None
        rows.append({"name": name, "predicted": predicted, "simulated": simulated, "real": real, "elapsed_s": elapsed_s})
        beside = f"{real / 1e6:,.1f} | {real / simulated - 1:+.1%}" if real else "|"
        cells = f"{predicted / 1e6:,.1f} | {simulated / 1e6:,.1f} | {predicted / simulated - 1:+.1%} | {beside}"
        print(f"| {name} | {cells} |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    worst = max(abs(row["predicted"] / row["simulated"] - 1) for row in rows)
    print(
        f"\n{len(rows)} configurations, differences up to {worst:.1%}, {sum(row['elapsed_s'] for row in rows):.0f} s of simulation"
    )
    if worst > TOLERANCE:
        sys.exit(f"the formulas differ by more than {TOLERANCE:.0%}")


if __name__ == "__main__":
    main()
