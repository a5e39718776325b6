"""Train small models of every position encoding at 256 tokens, and score them on longer text than they were trained on.

    python benchmarks/extrapolation.py RUN [--steps 600] [--picture FILE.png]

RUN is a run of the line on long documents (its `encode` stage is read). All models see the same batches and differ in their
positions alone. Scored are windows of the held-out stream that do not overlap, each token from all before it in its window
[nats per token]. Scalings of rotary positions act on the model trained without them, with the factor of the length.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ConfigError
from groundup.core.progress import progress
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer, build_model
from groundup.train.batches import BatchReader, ReadAhead
from groundup.train.course.config import ScheduleConfig
from groundup.train.course.schedules import learning_rate
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import SpecialTokens, Vocabulary
from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.table import build_optimizer
from groundup.train.step import TrainStep

TRAINED = 256
LENGTHS = (256, 512, 1024, 2048)
SCORED_TOKENS = 1 << 16
BATCH = 16
CPU = torch.device("cpu")
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rope": ("rope", {}),
    "rope, linear": ("rope", {"rope_scaling": "linear"}),
    "rope, NTK": ("rope", {"rope_scaling": "ntk"}),
    "rope, YaRN": ("rope", {"rope_scaling": "yarn", "rope_original_len": TRAINED}),
    "ALiBi": ("alibi", {}),
    "T5 bias": ("t5_bias", {}),
    "sinusoidal": ("sinusoidal", {}),
    "none": ("none", {}),
    "learned": ("learned", {}),
}


def config_of(position: str, vocab_size: int, max_seq_len: int, **scaling: Any) -> ModelConfig:
    """Return a decoder of 1M parameters beside its embedding."""
    sizes = {"dim": 128, "num_layers": 4, "num_heads": 4, "num_kv_heads": 4, "ffn_dim": 352}
    return ModelConfig.model_validate(
        {**sizes, "vocab_size": vocab_size, "max_seq_len": max_seq_len, "position": position, **scaling}
    )


def trained(position: str, shards: TokenShards, steps: int) -> Transformer:
    """Return the model after `steps` steps."""
    model = build_model(config_of(position, shards.info.vocab_size, TRAINED), "matmul")
    model.init_weights(torch.Generator().manual_seed(0))
    step = TrainStep(model, build_optimizer(model, OptimizerConfig()), "bf16", 1.0, CPU)
    vocabulary = Vocabulary(shards.info.vocab_size, SpecialTokens(shards.info.eos_id))
    objective = build_objective(ObjectiveConfig(), vocabulary, TRAINED, "decoder")
    batches = BatchReader(shards, objective, seed=0, batch_sequences=BATCH, micro_batch=BATCH, document_mask=False)
    with progress(position, steps) as bar, ReadAhead(batches, steps) as ahead:
        for number in range(steps):
            step(ahead.read(number), learning_rate(number, steps=steps, peak=4e-3, config=ScheduleConfig()))
            bar.advance(1)
    return model.eval()


@torch.inference_mode()
def score(model: Transformer, stream: torch.Tensor, length: int) -> float:
    """Return the mean nats of the tokens of windows that do not overlap."""
    windows = stream[: SCORED_TOKENS // length * length + 1]
    inputs, targets = (part.view(-1, length) for part in (windows[:-1], windows[1:]))
    rows = max(4096 // length, 1)
    total = sum(
        F.cross_entropy(model(Inputs(part)).flatten(0, 1), wanted.flatten(), reduction="sum").item()
        for part, wanted in zip(torch.split(inputs, rows), torch.split(targets, rows), strict=True)
    )
    return total / targets.numel()


def stretched(model: Transformer, position: str, length: int, scaling: dict[str, Any]) -> Transformer:
    """Return the same weights in a model of `length` tokens."""
    factor = {"rope_factor": length / TRAINED} if scaling and length > TRAINED else {}
    longer = build_model(config_of(position, model.config.vocab_size, length, **(scaling if factor else {}), **factor))
    longer.load_state_dict(model.state_dict())
    return longer.eval()


def main() -> None:
    """Train, score, and print (and draw) the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    shards = TokenShards.open(given.run / "encode")
    source = max(shards.info.sources, key=lambda found: found.tokens["validation"]).name
    stream = torch.from_numpy(shards.tokens("validation", source)[: SCORED_TOKENS + 1].astype("int64"))
    models = {position: trained(position, shards, given.steps) for position in dict.fromkeys(p for p, _ in KINDS.values())}
    table = Table("positions", *(f"{length:,}" for length in LENGTHS), title=f"nats per token, trained at {TRAINED}")
    found: dict[str, list[float | None]] = {}
    for kind, (position, scaling) in KINDS.items():
        found[kind] = []
        for length in LENGTHS:
            try:
                found[kind].append(score(stretched(models[position], position, length, scaling), stream, length))
            except (ConfigError, RuntimeError):  # learned positions have no vectors beyond
                found[kind].append(None)
        table.add_row(kind, *("refused" if loss is None else f"{loss:.3f}" for loss in found[kind]))
    Console(file=sys.stdout).print(table)
    if given.picture:
        draw(found, given.picture)


def draw(found: dict[str, list[float | None]], path: Path) -> None:
    """Draw the loss against the length."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for kind, losses in found.items():
        points = [(length, loss) for length, loss in zip(LENGTHS, losses, strict=True) if loss is not None]
        axes.plot(*zip(*points, strict=True), marker="o", label=kind)
    axes.set_xscale("log", base=2)
    axes.set_xticks(LENGTHS, [f"{length:,}" for length in LENGTHS])
    axes.set_xlabel(f"tokens of a window (trained at {TRAINED})")
    axes.set_ylabel("held-out loss [nats per token]")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
