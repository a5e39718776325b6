"""Small real artifacts to test on, made the way the line makes them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.checkpoint import CHECKPOINTS, MODEL_CONFIG_FILE, WEIGHTS_FILE, Checkpoint, TrainingRun
from groundup.artifacts.documents import DOCUMENT_SCHEMA, FUNNEL, SPLIT_FOLDERS, Document, Documents, Split
from groundup.artifacts.plan import FORECAST_FILE, PLAN_FILE, Decisions, Forecast, Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import TOKENIZER_FILES, Tokenizer
from groundup.core.config import Config
from groundup.core.files import write_bytes, write_json
from groundup.encode.config import EncodeConfig
from groundup.encode.run import run as encode
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import build_model
from groundup.tokenizer.config import SpecialConfig, TokenizerConfig
from groundup.tokenizer.run import run as train_tokenizer

A = TypeVar("A", bound=Artifact)


def build(
    kind: type[A],
    out: Path,
    run: Callable[[Any, Job], Outcome],
    config: Config | None = None,
    inputs: Mapping[str, Artifact] | None = None,
    seed: int = 0,
) -> A:
    """Make an artifact of `kind` in `out` with `run` and open it."""
    order = Order(stage=out.name, kind=kind.kind, out=out, config=config or Config(), seed=seed, device="cpu", inputs=inputs or {})
    make(order, run, replace=True)
    return kind.open(out)


def build_documents(
    out: Path,
    train: list[Document],
    validation: list[Document],
    weights: Mapping[str, float] | None = None,
    raw_bytes: int | None = None,
) -> Documents:
    """Make a curate artifact of the documents; `weights` names its sources for sources.json, `raw_bytes` makes a funnel."""

    def write(config: Config, job: Job) -> Outcome:
        for split, documents in (("train", train), ("validation", validation)):
            write_split(job.out, split, documents)
        if weights is not None:
            write_json(
                job.out / "sources.json", [{"name": name, "kind": "files", "weight": weight} for name, weight in weights.items()]
            )
        if raw_bytes is not None:
            write_json(job.out / FUNNEL, {"stages": [{"stage": "collect", "bytes_in": raw_bytes}]})
        return Outcome({"documents": len(train)})

    return build(Documents, out, write)


def write_split(out: Path, split: Split, documents: list[Document]) -> None:
    """Write one split's Parquet file."""
    folder = out / SPLIT_FOLDERS[split]
    folder.mkdir()
    rows = [
        {**vars(document), "bytes": len(document.text.encode()), "tokens_estimate": len(document.text) // 4}
        for document in documents
    ]
    pq.write_table(pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), DOCUMENT_SCHEMA), folder / "part-00000.parquet")


def build_tokenizer(
    out: Path,
    documents: Documents,
    vocab_size: int = 350,
    special: SpecialConfig = SpecialConfig(),  # noqa: B008  frozen
) -> Tokenizer:
    return build(Tokenizer, out, train_tokenizer, TokenizerConfig(vocab_size=vocab_size, special=special), {"curate": documents})


def build_shards(out: Path, documents: Documents, tokenizer: Tokenizer) -> TokenShards:
    return build(TokenShards, out, encode, EncodeConfig(), {"curate": documents, "tokenizer": tokenizer})


def word_salad(num_words: int, seed: int = 0) -> str:
    """Return text of made-up sentences with some structure, the same for the same seed."""
    nouns = ["array", "shape", "index", "value", "model", "token", "batch", "layer", "error", "result"]
    verbs = ["returns", "takes", "raises", "computes", "holds", "ignores"]
    words = []
    state = seed * 2654435761 + 12345
    while len(words) < num_words:
        state = (state * 1103515245 + 12345) % (1 << 31)
        noun, verb, other = nouns[(state >> 8) % 10], verbs[(state >> 13) % 6], nouns[(state >> 18) % 10]
        words += f"The {noun} {verb} the {other}, {(state >> 22) % 100}.\n".split(" ")
    return " ".join(words[:num_words])


def build_plan(out: Path, decisions: Decisions) -> Plan:
    """Make a plan of the decisions; its forecast has plausible numbers only."""
    forecast = Forecast(
        params=10_000,
        tokens=decisions.steps * decisions.batch_tokens,
        unique_tokens=1000,
        epochs=1.0,
        tokens_per_param=1.0,
        flops=1e9,
        flops_per_token=6e4,
        memory_bytes={"weights": 40_000, "total": 40_000},
        step_s=0.1,
        train_s=1.0,
        matmul_peak_flops_per_s={"fp32": 1e11, "bf16": 2e11},
        mfu=0.5,
        loss=None,
        why=("test",),
    )

    def write(config: Config, job: Job) -> Outcome:
        write_json(job.out / PLAN_FILE, decisions.model_dump(mode="json"))
        write_json(job.out / FORECAST_FILE, forecast.model_dump(mode="json"))
        return Outcome({"steps": decisions.steps}, frozenset({FORECAST_FILE}))

    return build(Plan, out, write)


def build_training_run(out: Path, tokenizer: Tokenizer, seed: int = 0, **changes: int | float | bool | str) -> TrainingRun:
    """Make a training run whose final checkpoint is a tiny model with random weights, larger than usual so that they matter."""
    shape: dict[str, int | float | bool | str] = {
        "vocab_size": tokenizer.text.vocab_size,
        "dim": 16,
        "num_layers": 2,
        "num_heads": 2,
        "num_kv_heads": 1,
        "ffn_dim": 32,
        "max_seq_len": 32,
        "init_std": 0.3,
    }
    config = ModelConfig.parse({**shape, **changes}, "build_training_run")

    def write_checkpoint(_: Config, job: Job) -> Outcome:
        model = build_model(config)
        model.init_weights(torch.Generator().manual_seed(seed))
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, job.out / WEIGHTS_FILE)
        write_json(job.out / MODEL_CONFIG_FILE, config.model_dump(mode="json"))
        for name in TOKENIZER_FILES:
            write_bytes(job.out / name, (tokenizer.path / name).read_bytes())
        return Outcome({"step": 1, "tokens": 0, "num_threads": 1})

    def write_run(_: Config, job: Job) -> Outcome:
        build(Checkpoint, job.out / CHECKPOINTS / "step-1", write_checkpoint)
        return Outcome({"steps": 1, "tokens": 0})

    return build(TrainingRun, out, write_run)
