"""A question about the memory of one device, checked."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.estimate.device_memory import Training
from groundup.estimate.device_memory.inference import WEIGHT_BITS, Inference
from groundup.estimate.device_memory.training import EIGHT_BIT, LossName, Selective, SoftwareName
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import AttentionName
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.plan.config import PlanConfig
from groundup.plan.shapes import family
from groundup.train.config import RunPrecision
from groundup.train.optim.config import OptimizerConfig, OptimizerName
from groundup.train.parallel.config import Layout

LayoutKeys = dict[str, Any]
"""Keys of a Layout that were said."""
PRECISIONS: Final = (*get_args(RunPrecision), "fp8")
OPTIMIZERS: Final = (*get_args(OptimizerName), EIGHT_BIT)
SOFTWARES: Final = get_args(SoftwareName)
OF_INFERENCE: Final = ("precision", "tp", "pp")
"""What a server of text knows of these settings."""


@dataclass(frozen=True)
class Question:
    """What is asked."""

    name: str
    """Of the model or the recipe."""
    model: ModelConfig
    layout: Layout
    training: Training
    inference: Inference | None = None
    device_bytes: int | None = None
    device: str | None = None
    """Name of the hardware that has so many bytes."""

    @property
    def seq_len(self) -> int:
        return self.inference.context if self.inference else self.training.rows.text_len


@dataclass(frozen=True)
class Planned:
    """What a recipe says of training."""

    name: str
    config: PlanConfig
    vocab_size: int
    layout: LayoutKeys = field(default_factory=dict)
    """How it lies on many devices."""


@dataclass(frozen=True)
class Choices:
    """What may be said beside the layout; None: from the recipe, or a default."""

    precision: str | None = None
    seq_len: int | None = None
    target_len: int | None = None
    optimizer: str | None = None
    compiled: bool | None = None
    software: str | None = None
    attention: str | None = None
    loss: str | None = None
    selective: str | None = None
    gradients: str | None = None
    micro_batches: int | None = None
    sequence_parallel: bool | None = None


def ask(
    model: str | None,
    recipe: Planned | None,
    layout: LayoutKeys,
    choices: Choices,
    generating: tuple[int, int | None] | None = None,
    device: tuple[str | None, int] | None = None,
) -> Question:
    """Return the question, checked. Raises ConfigError with the way out where what is said does not fit together.

    `generating`: sequences at once and tokens of each, if it is of inference. `device`: name and memory.
    """
    if (model is None) == (recipe is None):
        raise ConfigError("say either --model NAME ('groundup plan models' lists them) or --recipe FILE")
    name, config = (recipe.name, model_of(recipe)) if recipe else (str(model), find_preset(str(model)).config)
    inference = None
    if generating is not None:
        layout, choices, inference = _inference(config, layout, choices, generating)
    elif recipe is not None:
        layout, choices = _from_recipe(recipe, layout, choices)
    checked, is_fp8 = _layout(layout, choices)
    training = _training(config, recipe, checked, choices, is_fp8)
    named, size = device or (None, None)
    return _fits_together(Question(name, config, checked, training, inference, size, named))


def model_of(recipe: Planned) -> ModelConfig:
    """Return the model of a recipe that says its size; raise ConfigError if it leaves that to the plan."""
    sizes = family(recipe.config.model, recipe.vocab_size, recipe.config.pretrain.seq_len)
    if len(sizes) > 1:
        raise ConfigError(
            f"recipe '{recipe.name}' leaves the size to the plan, which measures the machine ('groundup plan recipe'); "
            "say it: --set model.dim=... --set model.num_layers=..., or ask for a published one with --model"
        )
    return sizes[0]


def _from_recipe(recipe: Planned, layout: LayoutKeys, choices: Choices) -> tuple[LayoutKeys, Choices]:
    """Fill in what the recipe says and the command does not; groundup runs recipes itself."""
    train = recipe.config.pretrain
    keys = {"recompute": train.recompute, "micro_batch": train.micro_batch or 1, **recipe.layout, **layout}
    said: dict[str, Any] = {
        "precision": None if train.precision == "auto" else train.precision,
        "seq_len": train.seq_len,
        "compiled": train.compile == "on",
        "software": "groundup",
        "attention": None if train.attention == "auto" else train.attention,
    }
    blanks = {key: value for key, value in said.items() if getattr(choices, key) is None}
    return keys, replace(choices, **blanks)


def _layout(keys: LayoutKeys, choices: Choices) -> tuple[Layout, bool]:
    """Return the layout, and whether products are of 8 bits, which keeps memory as 16 bits do."""
    chosen = choices.precision or "bf16"
    if chosen not in PRECISIONS:
        raise ConfigError(f"--precision {chosen}; {nearest(chosen, list(PRECISIONS))}")
    is_fp8 = chosen == "fp8"
    said = {key: value for key, value in keys.items() if value is not None}
    if choices.software == "groundup" and choices.gradients == "16bit":
        said["gradients"] = "bf16"  # a key of the engine's layouts, too
    return Layout.parse({**said, "precision": "bf16" if is_fp8 else chosen}, "layout"), is_fp8


def _training(model: ModelConfig, recipe: Planned | None, layout: Layout, choices: Choices, is_fp8: bool) -> Training:
    seq_len = choices.seq_len or model.max_seq_len
    target_len = choices.target_len or seq_len
    if choices.target_len is not None and not model.num_encoder_layers:
        raise ConfigError(f"--target-len {target_len} has no effect on a model with one stack; leave it out")
    if model.position == "learned" and seq_len > model.max_seq_len:
        raise ConfigError(f"--seq-len {seq_len} is more than the {model.max_seq_len} positions that the model learns; lower it")
    optimizer: OptimizerConfig | Literal["adamw_8bit"] = recipe.config.pretrain.optimizer if recipe else OptimizerConfig()
    if choices.optimizer == EIGHT_BIT:
        optimizer = "adamw_8bit"
    elif choices.optimizer is not None:
        optimizer = OptimizerConfig.parse({"name": _known("--optimizer", choices.optimizer, OPTIMIZERS)}, "optimizer")
    if choices.gradients is not None and layout.precision == "fp32":
        raise ConfigError("--gradients has no effect with --precision fp32, where they have 32 bits; leave it out")
    if choices.selective is not None and layout.recompute != "selective":
        raise ConfigError(
            f"--selective has no effect with recompute='{layout.recompute}'; set --recompute selective, or leave it out"
        )
    software: Any = _known("--software", choices.software, SOFTWARES)
    attention: Any = _known("--attention", choices.attention, get_args(AttentionName))
    loss: Any = _known("--loss", choices.loss, get_args(LossName))
    selective: Any = _known("--selective", choices.selective, get_args(Selective))
    gradients = _known("--gradients", choices.gradients, ("fp32", "16bit"))
    return Training(
        RowLengths(seq_len, seq_len, target_len, target_len),
        optimizer=optimizer,
        software=software,
        attention=attention or "sdpa",
        compiled=bool(choices.compiled),
        num_micro_batches=choices.micro_batches,
        gradients_fp32=gradients == "fp32",
        sequence_parallel=choices.sequence_parallel,
        selective=selective,
        loss=loss,
        fp8=is_fp8,
    )


def _known(option: str, name: str | None, names: tuple[str, ...]) -> str | None:
    if name is not None and name not in names:
        raise ConfigError(f"{option} {name}; {nearest(name, list(names))}")
    return name


def _inference(
    model: ModelConfig, layout: LayoutKeys, choices: Choices, generating: tuple[int, int | None]
) -> tuple[LayoutKeys, Choices, Inference]:
    """Return what counts of layout and choices in inference, and the inference; what is of training alone is refused."""
    said = {**layout, **{field.name: getattr(choices, field.name) for field in fields(choices)}}
    idle = [key for key, value in said.items() if value is not None and key not in OF_INFERENCE]
    if idle:
        shown = ", ".join(f"--{key.replace('_', '-')}" for key in idle)
        raise ConfigError(f"{shown}: without effect with --inference, which knows precision, tp, pp, batch and context; leave out")
    precision: Any = choices.precision or "bf16"
    if precision not in WEIGHT_BITS:
        raise ConfigError(f"--precision {precision} with --inference; {nearest(precision, list(WEIGHT_BITS))}")
    batch, context = generating
    context = context or model.max_seq_len
    if model.position == "learned" and context > model.max_seq_len:
        raise ConfigError(f"--context {context} is more than the {model.max_seq_len} positions that the model learns; lower it")
    inference = Inference(batch, context, precision, "fp32" if precision == "fp32" else "bf16")
    return layout, replace(choices, precision=None), inference


def _fits_together(question: Question) -> Question:
    """Raise ConfigError if the layout does not divide the model."""
    model, layout, rows = question.model, question.layout, question.training.rows
    blocks = model.num_layers + model.num_encoder_layers
    if layout.pp > blocks:
        raise ConfigError(f"pp={layout.pp} stages for {blocks} blocks; set pp to {blocks} at most")
    for key, what, number in (("tp", "heads", model.num_heads), ("cp", "tokens of a sequence", rows.text_len)):
        ranks = getattr(layout, key)
        if number % ranks:
            near = max(divisor for divisor in range(1, ranks + 1) if number % divisor == 0)
            raise ConfigError(f"{key}={ranks} does not divide the {number:,} {what}; the nearest below that does is {near}")
    return question
