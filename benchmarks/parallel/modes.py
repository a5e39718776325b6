"""The layouts that are held equal to one process, and what is learned on them."""

from dataclasses import dataclass
from typing import Final, Literal

from groundup.nn.config import ModelConfig
from groundup.train.objectives.config import ObjectiveConfig
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import Layout

TaskName = Literal["causal", "masked", "span_corruption"]


@dataclass(frozen=True)
class Task:
    """A model and what it learns."""

    model: ModelConfig
    objective: ObjectiveConfig


VOCAB, SEQ_LEN = 64, 32
_SIZES = {
    "vocab_size": VOCAB,
    "dim": 32,
    "num_layers": 4,
    "num_heads": 8,
    "num_kv_heads": 4,
    "ffn_dim": 64,
    "max_seq_len": 2 * SEQ_LEN,
}
TASKS: Final[dict[TaskName, Task]] = {
    "causal": Task(ModelConfig.parse(_SIZES, "causal"), ObjectiveConfig(name="causal")),
    "masked": Task(ModelConfig.parse({**_SIZES, "shape": "encoder"}, "masked"), ObjectiveConfig(name="masked")),
    "span_corruption": Task(
        ModelConfig.parse({**_SIZES, "shape": "encoder_decoder", "num_layers": 2, "num_encoder_layers": 2}, "span_corruption"),
        ObjectiveConfig(name="span_corruption"),
    ),
}

MODES: Final[dict[str, Layout]] = {
    "ddp 2": Layout(dp=2),
    "ddp 4": Layout(dp=4),
    "zero1 2": Layout(dp=2, zero=1),
    "zero1 4": Layout(dp=4, zero=1),
    "zero1 2 offload": Layout(dp=2, zero=1, offload="optimizer"),
    "zero2 2": Layout(dp=2, zero=2),
    "zero2 4": Layout(dp=4, zero=2),
    "zero2 2 offload": Layout(dp=2, zero=2, offload="optimizer"),
    "zero3 2": Layout(dp=2, zero=3),
    "zero3 4": Layout(dp=4, zero=3),
    "zero3 4 factor 1": Layout(dp=4, zero=3, sharding_factor=1),
    "hybrid 2x2": Layout(dp=4, zero=3, sharding_factor=2),
    "zero3 2 offload": Layout(dp=2, zero=3, offload="all"),
    "zero3 2 kept": Layout(dp=2, zero=3, reshard_after_forward=False),
    "context 2": Layout(cp=2),
    "context 4": Layout(cp=4),
    "ddp 2 x context 2": Layout(dp=2, cp=2),
    "zero1 2 x context 2": Layout(dp=2, zero=1, cp=2),
    "zero2 2 x context 2": Layout(dp=2, zero=2, cp=2),
    "zero3 2 x context 2": Layout(dp=2, zero=3, cp=2),
    "pp2 x context 2": Layout(pp=2, cp=2),
    "pp 2 gpipe": Layout(pp=2, schedule="gpipe"),
    "pp 2 1f1b": Layout(pp=2),
    "pp 2 interleaved": Layout(pp=2, schedule="interleaved"),
    "pp 2 zero_bubble": Layout(pp=2, schedule="zero_bubble"),
    "pp 4 1f1b": Layout(pp=4),
    "pp 4 zero_bubble": Layout(pp=4, schedule="zero_bubble"),
    "dp2 x pp2": Layout(dp=2, pp=2),
    "pp2 x zero3 2": Layout(dp=2, pp=2, zero=3),
    "pp2 interleaved x zero3 2": Layout(dp=2, pp=2, zero=3, schedule="interleaved"),
    "pp2 zero_bubble x zero3 2": Layout(dp=2, pp=2, zero=3, schedule="zero_bubble"),
    "pp2 x zero1 2": Layout(dp=2, pp=2, zero=1),
    "pp2 x zero2 2": Layout(dp=2, pp=2, zero=2),
    "pp2 interleaved x zero2 2": Layout(dp=2, pp=2, zero=2, schedule="interleaved"),
    "pp2 zero_bubble x zero1 2": Layout(dp=2, pp=2, zero=1, schedule="zero_bubble"),
    "tp 2": Layout(tp=2),
    "tp 4": Layout(tp=4),
    "dp2 x tp2": Layout(dp=2, tp=2),
    "zero1 2 x tp2": Layout(dp=2, tp=2, zero=1),
    "zero2 2 x tp2": Layout(dp=2, tp=2, zero=2),
    "zero3 2 x tp2": Layout(dp=2, tp=2, zero=3),
    "context 2 x tp2": Layout(cp=2, tp=2),
    "pp2 x tp2": Layout(pp=2, tp=2),
    "dp2 x pp2 x tp2": Layout(dp=2, pp=2, tp=2),
    "zero1 2 x pp2 x tp2": Layout(dp=2, pp=2, tp=2, zero=1),
    "zero3 2 x pp2 x tp2": Layout(dp=2, pp=2, tp=2, zero=3),
    "hybrid 2x2 x tp2": Layout(dp=4, tp=2, zero=3, sharding_factor=2),
}

SHARED = ("zero1 2 x tp2", "zero2 2 x tp2", "pp2 x zero1 2", "pp2 x zero2 2", "zero1 2 x pp2 x tp2")
"""Modes in which a rank updates rows of a part of a matrix, or of a stage."""
_WITH: Final = " + "
_EXACT: Final = {"muon": {"newton_schulz_precision": "fp32"}}


def with_optimizer(mode: str, optimizer: str) -> str:
    """Return the name of a mode that is trained with another optimizer than AdamW."""
    return f"{mode}{_WITH}{optimizer}"


def layout_of(name: str) -> Layout:
    """Return the layout of a mode, whatever it is trained with."""
    return MODES[name.partition(_WITH)[0]]


def optimizer_of(name: str) -> OptimizerConfig:
    """Return what a mode is trained with."""
    optimizer = name.partition(_WITH)[2]
    return OptimizerConfig.parse({"name": optimizer, **_EXACT.get(optimizer, {})}, name) if optimizer else OptimizerConfig()
