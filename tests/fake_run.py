"""A small, complete run folder of the line with plausible contents, made through `artifacts.build.make`."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Job, Order, Outcome, make
from groundup.artifacts.documents import DOCUMENT_SCHEMA
from groundup.core.config import Config
from groundup.core.files import write_json
from groundup.pipeline import STAGES, Stage
from groundup.recipe import SHIPPED, Recipe, load_recipe

SOURCE_FILES = 5
NUM_STEPS = 240


def make_run(folder: Path, until: str | None = None, **changes: Callable[[Path], None]) -> Path:
    """Make the run folder up to the stage; `changes` are called with a stage's folder before its manifest is written."""
    recipe = load_recipe(SHIPPED / "demo_cpu.yaml")
    for stage in STAGES:
        make(_order(stage, recipe, folder), _door(stage.verb, changes.get(stage.verb)), replace=False)
        if stage.verb == until:
            break
    return folder


def _order(stage: Stage, recipe: Recipe, folder: Path) -> Order:
    inputs = {verb: Artifact.open(folder / verb) for verb in stage.eats}
    sources = {"docs": "ab" * 32, "licences": "cd" * 32} if stage.reads_sources else {}
    config: Config = stage.config(recipe)
    return Order(
        stage.verb,
        stage.makes,
        folder / stage.verb,
        config,
        recipe.seed,
        recipe.device,
        inputs=inputs,
        sources=sources,
        recipe=recipe.resolved(),
    )


def _door(verb: str, change: Callable[[Path], None] | None) -> Callable[[Any, Job], Outcome]:
    def run(config: Any, job: Job) -> Outcome:
        outcome = WRITERS[verb](job)
        if change is not None:
            change(job.out)
        return outcome

    return run


def _curate(job: Job) -> Outcome:
    for split, text in (("documents", "Return the value."), ("validation", "Raise the error.")):
        (job.out / split).mkdir()
        row = {"id": f"docs/{split}", "text": text, "source": "docs", "bytes": len(text), "tokens_estimate": 4, "meta": "{}"}
        pq.write_table(pa.Table.from_pylist([row], DOCUMENT_SCHEMA), job.out / split / "part-00000.parquet")
    rules = {"mean_word_length": 61, "symbol_ratio": 22, "too_short": 507, "too_few_stop_words": 118}
    stages = [
        _step("collect", 4130, 4130, 9_100_000, 9_100_000),
        _step("normalise", 4130, 4118, 9_100_000, 9_080_000, {"empty": 12}),
        _step("gopher-2021", 4118, 3410, 9_080_000, 8_370_000, rules),
        _step("deduplicate", 3410, 3202, 8_370_000, 8_210_000, {"exact": 208}),
        _step("redact", 3202, 3202, 8_210_000, 8_209_000),
        _step("leakage", 3202, 3135, 8_209_000, 7_900_000, {"near_duplicate_of_held_out": 67}),
    ]
    by_source = [_share("docs", 2770, 7_300_000, "PSF-2.0"), _share("licences", 215, 300_000, None)]
    funnel = {
        "stages": stages,
        "yield": {"docs": 0.759, "bytes": 0.868, "denominator": "all that the sources gave"},
        "by_source": by_source,
    }
    write_json(job.out / "funnel.json", funnel)
    lines = [
        {
            "source": "docs" if i < 4 else "licences",
            "file": f"lib/python/module_{i}.py",
            "sha256": f"{i:064x}",
            "bytes": 1000 * (i + 1),
        }
        for i in range(SOURCE_FILES)
    ]
    (job.out / "sources.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Outcome({"documents": 2985, "validation_documents": 150, "bytes": 7_600_000, "dropped": 1145})


def _step(
    name: str, docs_in: int, docs_out: int, bytes_in: int, bytes_out: int, by_rule: dict[str, int] | None = None
) -> dict[str, Any]:
    return {
        "stage": name,
        "docs_in": docs_in,
        "docs_out": docs_out,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "by_rule": by_rule or {},
    }


def _share(name: str, documents: int, num_bytes: int, licence: str | None) -> dict[str, Any]:
    held_out = {"validation_documents": documents // 20, "validation_bytes": num_bytes // 20, "dropped": documents // 3}
    return {
        "name": name,
        "kind": "files",
        "weight": 1.0,
        "licence": licence,
        "documents": documents,
        "bytes": num_bytes,
        **held_out,
    }


def _tokenizer(job: Job) -> Outcome:
    write_json(job.out / "tokenizer.json", {"model": {"type": "BPE"}})
    facts = {"algorithm": "bpe", "vocab_size": 4096, "bytes_per_token": 3.42, "fertility": 1.61, "sample_bytes": 7_600_000}
    write_json(job.out / "facts.json", facts)
    return Outcome({"vocab_size": 4096})


def _encode(job: Job) -> Outcome:
    sources = [
        _source("docs", {"train": 2_130_000, "validation": 101_000}, {"train": 7_000_000, "validation": 300_000}),
        _source("licences", {"train": 77_000, "validation": 4_100}, {"train": 289_000, "validation": 11_000}),
    ]
    info = {"dtype": "uint16", "vocab_size": 4096, "eos_id": 0, "tokenizer_hash": "12" * 32, "sources": sources}
    write_json(job.out / "shards.json", info)
    return Outcome({"tokens": 2_207_000, "validation_tokens": 105_100})


def _source(name: str, tokens: dict[str, int], num_bytes: dict[str, int]) -> dict[str, Any]:
    documents = {split: count // 700 for split, count in tokens.items()}
    return {"name": name, "weight": 1.0, "tokens": tokens, "bytes": num_bytes, "documents": documents}


def _plan(job: Job) -> Outcome:
    model = {"vocab_size": 4096, "dim": 256, "num_layers": 6, "num_heads": 4, "num_kv_heads": 4, "ffn_dim": 704, "max_seq_len": 256}
    decisions = {
        "model": {**model, "norm": "rms", "position": "rope", "feed_forward": "swiglu", "tie_embeddings": True},
        "steps": NUM_STEPS,
        "batch_tokens": 4096,
        "micro_batch": 16,
        "seq_len": 256,
        "precision": "bf16",
        "attention": "sdpa",
        "device": "cpu",
        "num_threads": 2,
        "checkpoint_steps": 60,
    }
    write_json(job.out / "plan.json", decisions)
    states = {"process": 290e6, "weights": 23e6, "gradients": 23e6, "optimizer": 46e6}
    parts = {**states, "activations": 212e6, "weight_copies": 12e6, "loss": 117e6, "data": 5e6}
    memory = {name: int(value) for name, value in parts.items()}
    forecast = {
        "params": 5_869_824,
        "tokens": 983_040,
        "unique_tokens": 2_207_000,
        "epochs": 0.445,
        "tokens_per_param": 0.167,
        "flops": 3.6e13,
        "flops_per_token": 3.66e7,
        "memory_bytes": {**memory, "total": sum(memory.values())},
        "step_s": 0.97,
        "train_s": 232.8,
        "matmul_peak_flops_per_s": {"fp32": 1.1e11, "bf16": 2.9e11},
        "mfu": 0.131,
        "loss": 4.31,
        "why": [
            "width 256, 6 layers: of the shapes whose tokens in 4 min could be afforded, the one with the lowest expected loss",
            "precision bf16: multiplies matrices 2.6x faster than fp32 here",
            "240 steps: 4 min / 0.97 s a step, less 3 % for checkpoints",
        ],
    }
    write_json(job.out / "forecast.json", forecast)
    return Outcome({"params": 5_869_824, "steps": NUM_STEPS}, frozenset({"forecast.json"}))


def _pretrain(job: Job) -> Outcome:
    noise = np.random.Generator(np.random.PCG64(0)).normal(0, 1, (3, NUM_STEPS))
    with (job.out / "metrics.jsonl").open("w") as file:
        for step in range(1, NUM_STEPS + 1):
            x = step / NUM_STEPS
            line = {
                "step": step,
                "tokens": step * 4096,
                "loss": 4.2 + 4.1 * math.exp(-9 * x) - 0.35 * x + 0.12 * noise[0, step - 1],
                "lr": 3e-3 * min(step / 12, 0.525 + 0.475 * math.cos(math.pi * x)),
                "grad_norm": 0.4 + 1.4 * math.exp(-20 * x) + 0.05 * abs(noise[1, step - 1]),
                "update_ratio": 2e-3 * min(step / 12, 0.525 + 0.475 * math.cos(math.pi * x)),
                "tokens_per_s": 4150 + 90 * noise[2, step - 1],
                "mfu": 0.127,
                "peak_memory_bytes": 731_000_000,
                "events": ["checkpoint"] if step % 60 == 0 else [],
            }
            file.write(json.dumps(line) + "\n")
    with (job.out / "evaluations.jsonl").open("w") as file:
        for step in range(24, NUM_STEPS + 1, 24):
            x = step / NUM_STEPS
            loss = 4.25 + 4.1 * math.exp(-9 * x) - 0.3 * x
            by_source = {
                "docs": {"loss": loss, "bits_per_byte": loss / 2.1},
                "licences": {"loss": loss / 2, "bits_per_byte": loss / 4},
            }
            samples = [{"prompt": "Return the", "text": f" <i>text</i> of step {step}"}]
            line = {"step": step, "tokens": step * 4096, "loss": loss, "bits_per_byte": loss / 2.1, "by_source": by_source}
            file.write(json.dumps({**line, "samples": samples}) + "\n")
    seen = {
        "docs": {"windows": 3700, "tokens": 947_200, "epochs": 0.4447},
        "licences": {"windows": 140, "tokens": 35_840, "epochs": 0.4655},
    }
    write_json(job.out / "sources.json", seen)
    write_json(job.out / "memory.json", {"start_rss_bytes": 288_000_000, "peak_memory_bytes": 731_000_000})
    write_json(job.out / "speed.json", {"train_s": 241.3, "median_step_s": 0.99, "tokens_per_s": 4137.0, "mfu": 0.127})
    return Outcome(
        {"steps": NUM_STEPS, "tokens": 983_040, "loss": 3.87},
        frozenset({"metrics.jsonl", "evaluations.jsonl", "memory.json", "speed.json"}),
    )


def _evaluate(job: Job) -> Outcome:
    result = {
        "bits_per_byte": 1.94,
        "nll_per_token": 4.05,
        "perplexity": 57.4,
        "tokens": 90_100,
        "bytes": 301_000,
        "baselines": {"unigram": 3.31, "bigram": 2.46, "xz": 2.25, "xz_conditional": 1.62},
        "by_source": {
            "docs": {"bits_per_byte": 1.98, "tokens": 87_000, "bytes": 290_000},
            "licences": {"bits_per_byte": 0.87, "tokens": 3_100, "bytes": 11_000},
        },
        "notes": ["Every token counts once."],
        "samples": [
            {
                "prompt": "Return the",
                "text": " index of the first element of the array, or None.\n\nParameters\n----------\na : array_like",
            },
            {"prompt": "Raises ValueError if", "text": " the argument <script>alert('no')</script> & is not a *valid* string."},
            {"prompt": "The above copyright notice", "text": " and this permission notice shall be included in all copies"},
        ],
    }
    write_json(job.out / "evaluation.json", result)
    return Outcome({"bits_per_byte": 1.94, "tokens": 90_100})


MODEL_CARD = """\
---
license: other
library_name: transformers
tags: [text-generation, groundup]
---

# demo

A **5.87M-parameter** model. See [the papers](https://arxiv.org/abs/1706.03762).

| what | value |
|---|---|
| bits per byte | 1.94 |

![pixel](https://example.org/track.png) <img src="https://example.org/x.png"> [bad](javascript:alert(1))

```python
from transformers import AutoModelForCausalLM
```
"""


def _export(job: Job) -> Outcome:
    (job.out / "README.md").write_text(MODEL_CARD)
    write_json(job.out / "groundup_export.json", {"format": "hf", "verified": True, "max_logit_difference": 2.1e-6})
    (job.out / "model.safetensors").write_bytes(b"\0" * 1024)
    return Outcome({"verified": "true"})


WRITERS: dict[str, Callable[[Job], Outcome]] = {
    "curate": _curate,
    "tokenizer": _tokenizer,
    "encode": _encode,
    "plan": _plan,
    "pretrain": _pretrain,
    "evaluate": _evaluate,
    "export": _export,
}
