"""The shapes of the files that a report reads; keys that it does not need are passed over."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Facts(BaseModel):
    """Base of what is read of a stage's file: checked, with room for keys of later versions."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FunnelStage(Facts):
    """One step of the curation."""

    stage: str
    docs_in: int
    docs_out: int
    bytes_in: int
    bytes_out: int
    by_rule: dict[str, int] = {}

    @property
    def docs_dropped(self) -> int:
        return self.docs_in - self.docs_out


class SourceFunnel(Facts):
    """What became of one source's text."""

    name: str
    licence: str | None = None
    documents: int
    bytes: int
    validation_documents: int = 0
    validation_bytes: int = 0
    dropped: int = 0


class Yield(Facts):
    """Shares of the text that are left."""

    docs: float | None = None
    bytes: float | None = None
    denominator: str | None = None


class Funnel(Facts):
    """curate/funnel.json."""

    stages: tuple[FunnelStage, ...]
    yield_: Yield = Field(default=Yield(), alias="yield")
    by_source: tuple[SourceFunnel, ...] = ()


class Sample(Facts):
    """A text that the model went on with."""

    prompt: str
    text: str


class SourceScore(Facts):
    """Held-out score of one source."""

    bits_per_byte: float
    tokens: int | None = None
    bytes: int | None = None


class TargetFacts(Facts):
    """Score of one model on an objective's targets."""

    nll_per_target: float
    accuracy: float


class ObjectiveFacts(TargetFacts):
    """Held-out score on what the objective hides."""

    name: str
    targets: int
    unigram: TargetFacts


class EvaluationFacts(Facts):
    """evaluate/evaluation.json."""

    bits_per_byte: float | None = None
    """None for models that do not simply predict what follows."""
    objective: ObjectiveFacts | None = None
    nll_per_token: float | None = None
    perplexity: float | None = None
    tokens: int | None = None
    bytes: int | None = None
    baselines: dict[str, float] = {}
    by_source: dict[str, SourceScore] = {}
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()
    """How it was measured, in words."""


class ExportFacts(Facts):
    """export/groundup_export.json."""

    format: str
    verified: bool | None = None
    max_logit_difference: float | None = None


class MemoryFacts(Facts):
    """pretrain/memory.json."""

    peak_memory_bytes: int
    start_rss_bytes: int | None = None


class SpeedFacts(Facts):
    """pretrain/speed.json."""

    train_s: float
    median_step_s: float | None = None
    tokens_per_s: float | None = None
    mfu: float | None = None


class StepFacts(Facts):
    """One line of pretrain/metrics.jsonl."""

    step: int
    tokens: int = 0
    loss: float
    lr: float | None = None
    grad_norm: float | None = None
    update_ratio: float | None = None
    tokens_per_s: float | None = None
    events: tuple[Any, ...] = ()


class HeldOutScore(Facts):
    """Held-out text of one source, or of all."""

    loss: float
    bits_per_byte: float | None = None


class HeldOutFacts(HeldOutScore):
    """One line of pretrain/evaluations.jsonl."""

    step: int
    tokens: int = 0
    by_source: dict[str, HeldOutScore] = {}
    samples: tuple[Sample, ...] = ()


class SourceSeen(Facts):
    """What training took of one source: pretrain/sources.json."""

    tokens: int
    epochs: float


class TokenizerFacts(Facts):
    """tokenizer/facts.json: whatever the training found."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def rows(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Timings(Facts):
    """timings.json beside a manifest."""

    started_at: str | None = None
    elapsed_s: float | None = None
    platform: str | None = None
    python: str | None = None
