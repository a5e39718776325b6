"""What the page says of a run in words and rows: sentences, tiles, tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.lineage import short
from groundup.report.charts import Node
from groundup.report.gather import RunFacts, Unit
from groundup.report.ink import RAMP_LEN

BASELINES = {
    "unigram": ("unigrams", "each token by how often it occurs in the training text"),
    "bigram": ("bigrams", "each token given the one before it, interpolated with the unigram model"),
    "xz": ("xz", "the held-out text compressed by xz -9e, on its own"),
    "xz_conditional": (
        "xz + training text",
        "what the held-out text adds to the compressed training text: xz has read what the model read",
    ),
}
MEMORY_PARTS = {
    "process": "Python and its libraries, before the model is made",
    "weights": "the parameters",
    "master_weights": "the parameters in float32, where the others are in bfloat16",
    "gradients": "one number a parameter",
    "optimizer": "what the optimizer keeps from step to step, such as means of gradients",
    "activations": "what the forward pass keeps for the backward pass of one micro-batch",
    "weight_copies": "the weights in the precision of the matrix products",
    "loss": "the logits of one chunk, and what the loss keeps",
    "recomputed": "what one block computes again for its backward pass, beyond what the loss keeps",
    "snapshot": "the copy that checkpoints are written from",
    "allocator": "gaps between what is in use",
    "compiler": "tables of the compiler",
    "calibration": "what earlier runs of this kind took beyond all this",
    "data": "batches and token indices",
}
TOKENIZER_FACTS = {
    "vocab_size": "vocabulary",
    "requested_vocab_size": "vocabulary asked for",
    "trained_on_bytes": "text learned from",
    "trained_on_documents": "documents learned from",
    "measured_on_bytes": "text measured on",
    "bytes_per_token": "bytes per token (more is denser)",
    "fertility": "tokens per word (fertility)",
    "unknown_rate": "share of tokens that stand for unknown text",
}
THIS_MODEL = "this model"


@dataclass(frozen=True)
class Tile:
    """One figure of the first screen."""

    value: str
    label: str


@dataclass(frozen=True)
class MemoryPart:
    """One component of the predicted peak memory."""

    name: str
    explained: str
    bytes: int
    shade: int
    """Its place in Ink.ramp."""


@dataclass(frozen=True)
class Score:
    """One row of the evaluation: bits per byte, beside what it is."""

    name: str
    explained: str
    bits_per_byte: float
    is_model: bool = False


def headline(facts: RunFacts) -> str:
    """Return the run in one sentence, as far as it has come."""
    parts = []
    if facts.forecast is not None:
        parts.append(f"A {format_count(facts.forecast.params)}-parameter language model")
    if facts.steps:
        text = f" ({format_bytes(facts.text_bytes_seen)} of text)" if facts.text_bytes_seen else ""
        time = f" in {format_seconds(facts.speed.train_s)}" if facts.speed is not None else " so far"
        parts.append(f"trained on {format_count(float(facts.tokens_seen))} tokens{text}{time}")
    elif facts.forecast is not None:
        forecast = facts.forecast
        parts.append(f"to be trained on {format_count(float(forecast.tokens))} tokens in about {format_seconds(forecast.train_s)}")
    if facts.evaluation is not None and facts.evaluation.bits_per_byte is not None:
        parts.append(f"needs {facts.evaluation.bits_per_byte:.2f} bits for a byte of text it has never seen")
    elif facts.evaluation is not None and facts.evaluation.objective is not None:
        parts.append(f"predicts {facts.evaluation.objective.accuracy:.0%} of what is hidden in text it has never seen")
    if parts:
        return " ".join(parts) + "."
    if facts.funnel is not None and facts.funnel.stages:
        first, last = facts.funnel.stages[0], facts.funnel.stages[-1]
        left = f"{format_bytes(last.bytes_out)} of text in {last.docs_out:,} documents"
        return f"{left}, curated from {format_bytes(first.bytes_in)} in {first.docs_in:,}."
    return "A run that has just begun."


def verdict(facts: RunFacts) -> str | None:
    """Return how the model stands beside the simpler methods, in one sentence."""
    rows = [row for row in scores(facts) if not row.is_model]
    bits_per_byte = facts.evaluation.bits_per_byte if facts.evaluation is not None else None
    if bits_per_byte is None or not rows:
        return None
    beaten = sum(bits_per_byte < row.bits_per_byte for row in rows)
    share = {0: f"Not better than any of {len(rows)}", len(rows): f"Better than all {len(rows)}"}
    others = ", ".join(f"{row.name} {row.bits_per_byte:.2f}" for row in rows)
    return f"{share.get(beaten, f'Better than {beaten} of {len(rows)}')} simpler methods on the same bytes ({others})."


def tiles(facts: RunFacts) -> tuple[Tile, ...]:
    """Return the figures that matter most."""
    found = []
    if facts.curation is not None and facts.forecast is None:
        card = facts.curation.card
        found += [
            Tile(format_bytes(card.training.bytes), "to train on"),
            Tile(f"{card.training.documents:,}", "documents"),
            Tile(format_bytes(card.validation.bytes), "held out to measure with"),
            Tile(f"{card.collected.documents - card.training.documents - card.validation.documents:,}", "documents dropped"),
        ]
    if facts.evaluation is not None and facts.evaluation.bits_per_byte is not None:
        found.append(Tile(f"{facts.evaluation.bits_per_byte:.2f}", "bits per byte"))
    elif facts.evaluation is not None and facts.evaluation.objective is not None:
        found.append(Tile(f"{facts.evaluation.objective.nll_per_target:.2f}", "nats a hidden token"))
    if facts.forecast is not None:
        found.append(Tile(format_count(facts.forecast.params), "parameters"))
    if facts.steps:
        found.append(Tile(format_count(float(facts.tokens_seen)), "tokens trained on"))
    if facts.speed is not None:
        found.append(Tile(format_seconds(facts.speed.train_s), "training time"))
    return tuple(found)


def scores(facts: RunFacts) -> tuple[Score, ...]:
    """Return the model and its baselines, the best first."""
    if facts.evaluation is None or facts.evaluation.bits_per_byte is None:
        return ()
    rows = [Score(THIS_MODEL, "the trained model, sliding window", facts.evaluation.bits_per_byte, True)]
    rows += [Score(*BASELINES.get(name, (name.replace("_", " "), "")), bits) for name, bits in facts.evaluation.baselines.items()]
    return tuple(sorted(rows, key=lambda row: row.bits_per_byte))


def rules(facts: RunFacts) -> tuple[tuple[str, str, int], ...]:
    """Return (stage, rule, documents dropped), in order of the line."""
    stages = facts.funnel.stages if facts.funnel is not None else ()
    found = [(stage.stage, rule, count) for stage in stages for rule, count in stage.by_rule.items()]
    return tuple(row for row in found if row[2])


def events(facts: RunFacts) -> tuple[tuple[int, str], ...]:
    """Return (step, what happened) of every step that something happened in."""
    return tuple((step.step, "; ".join(map(_event, step.events))) for step in facts.steps if step.events)


def _event(event: Any) -> str:
    """Return an event in words: its name, or what was done about a spike, why, and which text it was met in."""
    if not isinstance(event, dict):
        return str(event)
    target = f" to step {event['to_step']:,}" if "to_step" in event else ""
    target += f" to {event['to_steps']:,} steps" if "to_steps" in event else ""
    text = ", ".join(f"{source} windows {_numbers(windows)}" for source, windows in event.get("windows", {}).items())
    why = "; ".join(filter(None, (str(event.get("why")), text)))
    return f"{event.get('event')}{target} (step {event.get('step')}: {why})"


def _numbers(windows: list[int], most: int = 8) -> str:
    return " ".join(map(str, windows[:most])) + (f" and {len(windows) - most} more" if len(windows) > most else "")


def tokenizer_rows(facts: RunFacts) -> tuple[tuple[str, str], ...]:
    """Return what the training of the tokenizer found."""
    found = facts.tokenizer.rows() if facts.tokenizer is not None else {}
    if found.get("requested_vocab_size") == found.get("vocab_size"):
        found.pop("requested_vocab_size", None)
    return tuple((TOKENIZER_FACTS.get(name, name.replace("_", " ")), _fact(name, value)) for name, value in found.items())


def _fact(name: str, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_bytes(value) if name.endswith("_bytes") else count_value(value)
    return str(value)


def count_value(value: float | str) -> str:
    """Return a count, a measure or a word as people read it."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def memory_parts(facts: RunFacts) -> tuple[MemoryPart, ...]:
    """Return the components of the predicted peak, the largest first."""
    if facts.forecast is None:
        return ()
    parts = [(name, size) for name, size in facts.forecast.memory_bytes.items() if name != "total" and size > 0]
    ordered = sorted(parts, key=lambda part: -part[1])
    return tuple(
        MemoryPart(name.replace("_", " "), MEMORY_PARTS.get(name, ""), size, min(i, RAMP_LEN - 1))
        for i, (name, size) in enumerate(ordered)
    )


def line(facts: RunFacts) -> tuple[Node, ...]:
    """Return the finished stages as nodes of the drawing of the line."""
    return tuple(
        Node(
            name=stage.name,
            note=format_seconds(stage.timings.elapsed_s) if stage.timings.elapsed_s is not None else "",
            inputs=tuple(stage.manifest.inputs),
            content_hash=short(stage.manifest.content_hash)[:8],
        )
        for stage in facts.stages
    )


def settings(facts: RunFacts) -> tuple[tuple[str, str], ...]:
    """Return what the plan decided, in words."""
    if facts.decisions is None or facts.forecast is None:
        return ()
    decisions, forecast, model = facts.decisions, facts.forecast, facts.decisions.model
    shape = (
        f"{model.get('num_layers')} layers of width {model.get('dim')}",
        f"{model.get('num_heads')} heads ({model.get('num_kv_heads')} for keys and values)",
        f"feed-forward {model.get('ffn_dim')} {model.get('feed_forward')}",
        f"{model.get('norm')} norm",
        f"positions {model.get('position')}",
        "tied embeddings" if model.get("tie_embeddings") else "untied embeddings",
    )
    peaks = ", ".join(f"{name} {_si(value, 'FLOP/s')}" for name, value in forecast.matmul_peak_flops_per_s.items())
    batch = f"{decisions.batch_tokens:,} tokens, in micro-batches of {decisions.micro_batch} sequences of {decisions.seq_len}"
    loss = "no forecast: outside the fitted range" if forecast.loss is None else f"about {forecast.loss:.2f} nats per token"
    return (
        ("model", ", ".join(shape)),
        ("parameters", f"{forecast.params:,}"),
        ("steps", f"{decisions.steps:,}, a checkpoint every {decisions.checkpoint_steps:,}"),
        ("tokens a step", batch),
        ("tokens in all", f"{forecast.tokens:,}: {forecast.epochs:.2f} passes over {forecast.unique_tokens:,}"),
        ("tokens per parameter", f"{forecast.tokens_per_param:.3g}"),
        ("compute", f"{_si(forecast.flops, 'FLOP')}, {_si(forecast.flops_per_token, 'FLOP')} a token"),
        ("expected loss", loss),
        ("arithmetic", f"{decisions.precision}, attention by {decisions.attention}"),
        ("machine", f"{decisions.device}, {decisions.num_threads} threads; measured peak of matrix products: {peaks}"),
    )


def _si(value: float, unit: str) -> str:
    """Return the value with a space before prefix and unit: 3.6e13 -> '36 TFLOP'."""
    written = format_count(value)
    number = written.rstrip("kMGTPE")
    return f"{number} {written[len(number) :]}{unit}"


def environment(facts: RunFacts) -> tuple[tuple[str, str], ...]:
    """Return where and by what the run was made."""
    last = facts.stages[-1]
    known = {
        "groundup": last.manifest.groundup_version,
        "revision of the code": last.manifest.revision,
        "Python": last.timings.python,
        "system": last.timings.platform,
        "seed": str(last.manifest.seed),
        "first stage begun": facts.stages[0].timings.started_at,
    }
    return tuple((name, value) for name, value in known.items() if value is not None)


def quantity(value: float, unit: Unit) -> str:
    """Return a compared quantity as people read it."""
    written: dict[Unit, Callable[[float], str]] = {
        "bytes": format_bytes,
        "seconds": format_seconds,
        "percent": lambda share: f"{share:.1%}",
        "number": lambda number: f"{number:.2f}",
    }
    return written[unit](value)
