"""Pretrain as a fresh process does: `python pretrain_process.py FOLDER OUT`; FOLDER holds the inputs as `line` made them."""

import sys
from pathlib import Path

import builders
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Order, make
from groundup.artifacts.checkpoint import TrainingRun
from groundup.artifacts.documents import Document
from groundup.artifacts.plan import Decisions
from groundup.core.errors import GroundupError
from groundup.core.log import say
from groundup.pretrain.run import run
from groundup.train.config import TrainConfig

STEPS = 40
CONFIG = TrainConfig(seq_len=16, batch_tokens=64, steps=STEPS)
CHANGING = TrainConfig.model_validate(
    {
        "seq_len": 16,
        "batch_tokens": 64,
        "steps": STEPS,
        "batch_ramp": {"start_tokens": 32, "over_tokens": 256},
        "lengths": [{"seq_len": 4, "until_tokens": 160}, {"seq_len": 8, "until_tokens": 480}],
        "mixture": [{"from_step": 20, "weights": {"a": 0.1, "b": 2.0}}],
    }
)
"""Batch, rows and mixture change on the way."""
DECISIONS = Decisions(
    model={
        "vocab_size": 350,
        "dim": 16,
        "num_layers": 2,
        "num_heads": 2,
        "num_kv_heads": 1,
        "ffn_dim": 32,
        "max_seq_len": 16,
    },
    steps=STEPS,
    batch_tokens=64,
    micro_batch=2,
    seq_len=16,
    precision="bf16",
    attention="matmul",
    device="cpu",
    num_threads=1,
    checkpoint_steps=3,
)


def line(folder: Path) -> None:
    """Make the artifacts that pretraining reads."""
    documents = [Document(f"{source}:0", builders.word_salad(500, seed), source) for seed, source in enumerate("ab")]
    held_out = [Document(f"{source}:1", builders.word_salad(80, 7 + seed), source) for seed, source in enumerate("ab")]
    curated = builders.build_documents(folder / "curate", documents, held_out, {"a": 1.0, "b": 0.5})
    builders.build_shards(folder / "encode", curated, builders.build_tokenizer(folder / "tokenizer", curated))
    builders.build_plan(folder / "plan", DECISIONS)


def pretrain(folder: Path, out: Path, seed: int = 5, config: TrainConfig = CONFIG) -> TrainingRun:
    inputs = {name: Artifact.open(folder / name) for name in ("plan", "encode", "tokenizer")}
    order = Order("pretrain", TrainingRun.kind, out, config, seed, "cpu", inputs, resumable=True)
    make(order, run, replace=False)
    return TrainingRun.open(out)


if __name__ == "__main__":
    try:
        pretrain(Path(sys.argv[1]), Path(sys.argv[2]))
    except GroundupError as error:
        say(str(error))
        sys.exit(error.exit_code)
