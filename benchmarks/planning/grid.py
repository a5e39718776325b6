"""Hold the formulas of memory against simulated training steps, over a grid of models and layouts.

    python benchmarks/planning/grid.py [--only PART_OF_A_NAME] [--real] [--markdown]

Prints the table of docs/memory.md. Both sides count the bytes of tensors alone: no allocator, no context of a device.
"""

import argparse
import sys
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig
from groundup.plan.simulate import Simulation, simulate
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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--parts", action="store_true")
    options = arguments.parse_args()
    table = Table("configuration", "formulas [MB]", "simulated [MB]", "difference", "seconds")
    worst = 0.0
    for name, configuration in GRID.items():
        if options.only not in name:
            continue
        wanted = configuration.simulation
        simulated, predicted = simulate(wanted), predicted_bytes(wanted)
        difference = predicted["total"] / simulated.total - 1
        worst = max(worst, abs(difference))
        mb = [f"{size / 1e6:,.1f}" for size in (predicted["total"], simulated.total)]
        table.add_row(name, *mb, f"{difference:+.1%}", f"{simulated.elapsed_s:.1f}")
        print(f"{name:50s} {mb[0]:>10} {mb[1]:>10} {difference:+.1%} {simulated.elapsed_s:.1f}", flush=True)
        if options.parts:
            print("   ", {k: round(v / 1e6, 1) for k, v in predicted.items()})
            print("   ", {k: round(v / 1e6, 1) for k, v in simulated.components.items()})
    Console().print(table)
    if worst > TOLERANCE:
        sys.exit(f"differences up to {worst:.1%}")


if __name__ == "__main__":
    main()
