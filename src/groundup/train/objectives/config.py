"""The settings of a training objective."""

from typing import Any, Final, Literal

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.core.errors import ConfigError
from groundup.nn.config import ShapeName

ObjectiveName = Literal["causal", "masked", "span_corruption", "denoising", "prefix", "fill_in_middle", "mixture"]
MaskUnit = Literal["token", "word", "span"]
ModeName = Literal["R", "S", "X"]

SHAPES_OF: Final[dict[ObjectiveName, tuple[ShapeName, ...]]] = {
    "causal": ("decoder",),
    "masked": ("encoder",),
    "span_corruption": ("encoder_decoder",),
    "denoising": ("encoder_decoder",),
    "prefix": ("prefix_decoder",),
    "fill_in_middle": ("decoder",),
    "mixture": ("encoder_decoder", "prefix_decoder"),
}
"""The shapes of model that can learn each objective."""
TEXT_IS_ROW: Final[tuple[ObjectiveName, ...]] = ("causal", "masked", "prefix")
"""Objectives whose rows are made from as much text as they are long, so that a window of text is a whole number of shorter rows."""
DEFAULT_RATES: Final[dict[ObjectiveName, float]] = {
    "masked": 0.15,
    "span_corruption": 0.15,
    "denoising": 0.3,
    "fill_in_middle": 0.5,
}
"""Devlin et al. 2019, section 3.1; Raffel et al. 2020, section 3.1.4; Lewis et al. 2020, section 5.1; Bavarian et al. 2022."""
MAX_SENTINELS = 1000
"""Sentinels that a tokenizer may have."""
MAX_DRAWN_RATE = 0.5
"""Spans of drawn lengths are laid with at least one kept token between them: beyond half there is no room."""


class DenoiserConfig(Config):
    """One way to hide spans, of a mixture of denoisers (UL2: Tay et al. 2022, section 3.1.2)."""

    mode: ModeName = Field(description="the mode token that opens its sources; R: regular, X: extreme, S: the end from the start")
    rate: float = Field(gt=0, lt=1, description="share of tokens hidden")
    mean_span_len: float | None = Field(default=None, ge=1, description="tokens of a span on average; null with mode S alone")
    share: float = Field(default=1.0, gt=0, description="how many rows it takes, relative to the shares of the others")

    @model_validator(mode="after")
    def _check_span(self) -> "DenoiserConfig":
        if self.mode == "S" and self.mean_span_len is not None:
            raise ValueError(f"mode='S' hides one span that ends the text, so mean_span_len={self.mean_span_len:g} has no effect")
        if self.mode != "S" and self.mean_span_len is None:
            raise ValueError(f"mode='{self.mode}' needs mean_span_len, the tokens of a span on average; for example 3")
        return self


UL2: Final = (
    DenoiserConfig(mode="R", rate=0.15, mean_span_len=3),
    DenoiserConfig(mode="R", rate=0.15, mean_span_len=8),
    DenoiserConfig(mode="S", rate=0.25),
    DenoiserConfig(mode="X", rate=0.5, mean_span_len=3),
    DenoiserConfig(mode="X", rate=0.5, mean_span_len=8),
    DenoiserConfig(mode="X", rate=0.15, mean_span_len=64),
    DenoiserConfig(mode="X", rate=0.5, mean_span_len=64),
)
"""The seven denoisers of Tay et al. 2022, table 1, in equal shares."""


class ObjectiveConfig(Config):
    """What the model is asked to predict."""

    name: ObjectiveName = Field(
        default="causal",
        description="causal: the next token; masked: hidden tokens in their place (BERT); span_corruption: hidden spans (T5); "
        "denoising: the whole text from a damaged one (BART); prefix: the next token after a prefix that sees itself whole; "
        "fill_in_middle: the next token, the middle moved to the end; mixture: of span denoisers (UL2)",
    )
    rate: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of tokens hidden, or, in fill_in_middle, of documents rearranged; null: 0.15, denoising 0.3, "
        "fill_in_middle 0.5",
    )
    mean_span_len: float = Field(
        default=3.0, ge=1, le=100, description="tokens of a hidden span on average (T5; BART: lambda of Poisson)"
    )
    unit: MaskUnit = Field(default="token", description="what masked hides at a time; span: runs of whole words (SpanBERT)")
    keep_share: float = Field(default=0.1, ge=0, le=1, description="share of masked tokens that stay as they are (BERT)")
    random_share: float = Field(default=0.1, ge=0, le=1, description="share of masked tokens that become any token (BERT)")
    span_stop: float = Field(default=0.2, gt=0, lt=1, description="probability that a span ends after each word (SpanBERT)")
    span_max_words: int = Field(default=10, gt=0, le=1000, description="words of the longest span (SpanBERT)")
    shuffle_share: float = Field(default=1.0, ge=0, le=1, description="share of documents whose sentences are shuffled (BART)")
    spm_share: float = Field(
        default=0.5, ge=0, le=1, description="share of rearranged documents whose suffix comes first (Bavarian et al. 2022: SPM)"
    )
    denoisers: tuple[DenoiserConfig, ...] = Field(default=UL2, min_length=1, description="what is mixed; the default is UL2's")

    @model_validator(mode="after")
    def _check_choices(self) -> "ObjectiveConfig":
        for key, owner, names in _ONLY_WITH:
            chosen, default = getattr(self, key), ObjectiveConfig.model_fields[key].default
            if chosen != default and getattr(self, owner) not in names:
                raise ValueError(
                    f"{key}={_shown(chosen)} has no effect with {owner}='{getattr(self, owner)}'; it belongs to {owner}="
                    f"{' or '.join(repr(name) for name in names)}: set that, or leave {key} out"
                )
        if self.keep_share + self.random_share > 1:
            raise ValueError(
                f"keep_share={self.keep_share:g} and random_share={self.random_share:g} are more than 1 together; lower one"
            )
        drawn = self.name == "denoising" or (self.name == "masked" and self.unit == "span")
        if drawn and self.hidden_share > MAX_DRAWN_RATE:
            raise ValueError(
                f"rate={self.hidden_share:g} leaves no room between spans of drawn lengths; set rate to at most {MAX_DRAWN_RATE:g}"
            )
        return self

    @property
    def hidden_share(self) -> float:
        """The rate, or what the paper of the objective takes."""
        return self.rate if self.rate is not None else DEFAULT_RATES[self.name]


_ONLY_WITH: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("rate", "name", tuple(DEFAULT_RATES)),
    ("mean_span_len", "name", ("span_corruption", "denoising")),
    ("unit", "name", ("masked",)),
    ("keep_share", "name", ("masked",)),
    ("random_share", "name", ("masked",)),
    ("span_stop", "unit", ("span",)),
    ("span_max_words", "unit", ("span",)),
    ("shuffle_share", "name", ("denoising",)),
    ("spm_share", "name", ("fill_in_middle",)),
    ("denoisers", "name", ("mixture",)),
)
"""(key, key that decides, its values with which the first has an effect)."""


def _shown(value: Any) -> str:
    return f"({len(value)} denoisers)" if isinstance(value, tuple) else repr(value)


def check_shape(name: ObjectiveName, shape: ShapeName) -> None:
    """Raise ConfigError if a model of that shape cannot learn the objective."""
    if shape not in SHAPES_OF[name]:
        fitting = [other for other, shapes in SHAPES_OF.items() if shape in shapes]
        raise ConfigError(
            f"pretrain.objective.name='{name}' is for model.shape={' or '.join(map(repr, SHAPES_OF[name]))}, "
            f"but model.shape='{shape}'; change the shape, or set pretrain.objective.name to {' or '.join(map(repr, fitting))}"
        )
