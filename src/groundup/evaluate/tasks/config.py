"""The settings of a downstream task."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.nn.config import PoolingName

KindName = Literal["sentence_classification", "token_classification", "text_to_text"]
TASK_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class TuningConfig(Config):
    """What may be spent on fine-tuning: the same for a pretrained model and for one from random weights."""

    epochs: int = Field(default=5, gt=0, le=10_000, description="times that every training example is seen")
    batch: int = Field(default=32, gt=0, description="examples an optimizer step sees")
    learning_rates: tuple[float, ...] = Field(
        default=(3e-4, 1e-3, 3e-3), min_length=1, description="peak learning rates tried; validation examples choose one"
    )
    warmup_fraction: float = Field(default=0.1, ge=0, le=1, description="share of all steps spent warming up; then a line to 0")
    weight_decay: float = Field(default=0.01, ge=0, description="share of a matrix taken off per step and unit of learning rate")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="share dropped in the model and before the classifier's head")
    precision: Literal["fp32", "bf16"] = Field(default="fp32", description="bf16: matrices are multiplied in bfloat16 in training")
    seeds: tuple[int, ...] = Field(
        default=(0, 1, 2, 3, 4), min_length=1, description="of head, order and dropout, a fine-tuning each; the first tunes"
    )

    @model_validator(mode="after")
    def _check_lists(self) -> "TuningConfig":
        for key in ("learning_rates", "seeds"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key}={list(values)} names one twice; say each once")
        if min(self.learning_rates) <= 0:
            raise ValueError(f"learning_rates={list(self.learning_rates)} must all be above 0")
        return self


class TaskConfig(Config):
    """Examples, and what is learned from them."""

    name: str = Field(pattern=TASK_NAME, description="what the result is called; left out: the name of the task's file")
    kind: KindName = Field(
        description="sentence_classification: a label for a text; token_classification: a label for each word; "
        "text_to_text: an answer to a text"
    )
    train: Path = Field(description="examples to learn from, .jsonl or .conllu")
    test: Path | None = Field(default=None, description="examples to be scored on; null: test_share of those in train")
    test_share: float | None = Field(
        default=None, gt=0, lt=1, description="share of train held out as test, where no test is given"
    )
    validation_share: float = Field(default=0.1, gt=0, lt=1, description="share of the rest that chooses the learning rate")
    max_train_examples: int | None = Field(default=None, gt=0, description="examples learned from at most; null: all")
    split_seed: int = Field(default=0, ge=0, description="of who is held out, and who is learned from")
    pooling: PoolingName | None = Field(
        default=None,
        description="what of a text's vectors the classifier sees; null: mean in an encoder, last in a decoder",
    )
    tuning: TuningConfig = TuningConfig()

    @model_validator(mode="after")
    def _check_idle(self) -> "TaskConfig":
        if (self.test is None) == (self.test_share is None):
            raise ValueError("say either test, a file of examples, or test_share, a share of train that is held out")
        if self.pooling is not None and self.kind != "sentence_classification":
            raise ValueError(f"pooling='{self.pooling}' has no effect with kind='{self.kind}'; leave pooling out")
        if self.pooling == "each":
            raise ValueError("pooling='each' gives a label for each token; set kind='token_classification' instead")
        return self

    def resolved(self) -> dict[str, Any]:
        """Return all settings as JSON values."""
        return self.model_dump(mode="json")
