"""The facts of a model card, gathered from the artifacts that the model was made from."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.checkpoint import Checkpoint, TrainingRun
from groundup.artifacts.documents import DATA_CARD, Documents, Split
from groundup.artifacts.parquet import parquet_errors
from groundup.artifacts.plan import Decisions, Forecast, Plan
from groundup.artifacts.reports import Evaluation
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object
from groundup.estimate.parameters import total_parameters
from groundup.nn.config import ModelConfig

_LANGUAGE = re.compile(r"^[a-z]{2,3}$")


@dataclass
class SourceShare:
    """What of one source the model was made from."""

    licence: str | None = None
    documents: Counter[Split] = field(default_factory=Counter)
    bytes: Counter[Split] = field(default_factory=Counter)


@dataclass(frozen=True)
class Data:
    """The text: what was kept, of which source, and what was taken out."""

    sources: Mapping[str, SourceShare]
    languages: tuple[str, ...]
    collected_documents: int | None
    collected_bytes: int | None
    redactions: Mapping[str, int]
    card: Mapping[str, Any] | None
    """What the curation tells of itself: data_card.json; None where it wrote none."""

    def total(self, what: str, split: Split) -> int:
        return sum(getattr(share, what)[split] for share in self.sources.values())


@dataclass(frozen=True)
class Training:
    """How the model was trained; None is not known."""

    decisions: Decisions
    forecast: Forecast
    elapsed_s: float | None
    final_loss: float | None


@dataclass(frozen=True)
class Story:
    """Everything that the card tells; parts whose artifact is not at hand are None."""

    name: str
    model: ModelConfig
    objective: str | None
    """What the model was trained to do; None where that is not known."""
    imported: bool
    """Whether the weights came from another tool."""
    licence: str
    step: int
    data: Data | None
    training: Training | None
    evaluation: Mapping[str, Any] | None
    lineage: Mapping[str, str]
    """Stage -> content hash of its artifact."""

    @property
    def params(self) -> int:
        return total_parameters(self.model)


def gather(checkpoint: Checkpoint, model: ModelConfig, licence: str, inputs: Mapping[str, Artifact]) -> Story:
    """Read the story of the checkpoint from the inputs that are there."""
    run = training_run(checkpoint)
    plan = Plan.open(inputs["plan"].path) if "plan" in inputs else None
    recipes = (artifact.manifest.recipe for artifact in [*inputs.values(), checkpoint])
    return Story(
        name=next((str(recipe["name"]) for recipe in recipes if recipe and "name" in recipe), "groundup-model"),
        model=model,
        objective=_objective(checkpoint),
        imported=checkpoint.manifest.stage == "hub",
        licence=licence,
        step=checkpoint.step,
        data=read_data(Documents.open(inputs["curate"].path)) if "curate" in inputs else None,
        training=Training(plan.decisions, plan.forecast, *_measured(run)) if plan else None,
        evaluation=Evaluation.open(inputs["evaluate"].path).result if "evaluate" in inputs else None,
        lineage=dict(_lineage(checkpoint, inputs)),
    )


def training_run(checkpoint: Checkpoint) -> TrainingRun | None:
    """Return the finished run that the checkpoint lies in, if it does."""
    try:
        return TrainingRun.open(checkpoint.path.resolve().parent.parent)
    except ArtifactError:
        return None


def _objective(checkpoint: Checkpoint) -> str | None:
    """Return the name of the objective in the settings that the checkpoint was trained with."""
    settings = checkpoint.manifest.config.get("objective")
    return str(settings["name"]) if isinstance(settings, dict) and "name" in settings else None


def _measured(run: TrainingRun | None) -> tuple[float | None, float | None]:
    """Return the seconds of training and its last loss [nats per token]."""
    if run is None:
        return None, None
    speed_file = run.path / "speed.json"
    speed = read_object(speed_file) if speed_file.is_file() else {}
    loss = run.manifest.counts.get("final_loss")
    return speed.get("train_s"), float(loss) if loss is not None else None


def _lineage(checkpoint: Checkpoint, inputs: Mapping[str, Artifact]) -> Iterator[tuple[str, str]]:
    for artifact in inputs.values():
        yield from ((stage, entry.content_hash) for stage, entry in artifact.manifest.inputs.items())
    yield from ((stage, artifact.content_hash) for stage, artifact in inputs.items())
    yield "checkpoint", checkpoint.content_hash


def read_data(documents: Documents) -> Data:
    """Count what the model was made from, reading the columns that say so in bounded memory."""
    settings = documents.manifest.config.get("sources", [])
    sources = {source["name"]: SourceShare(source.get("licence")) for source in settings}
    languages = set()
    splits: tuple[Split, ...] = ("train", "validation")
    for split in splits:
        for row in _rows(documents.files(split), ["source", "bytes", "language"]):
            share = sources.setdefault(row["source"], SourceShare())
            share.documents[split] += 1
            share.bytes[split] += row["bytes"]
            languages.add(row["language"])
    redactions = [documents.path / name for name in documents.manifest.files if name.startswith("redactions/")]
    collected = _collected(documents)
    return Data(
        sources=dict(sorted(sources.items())),
        languages=tuple(sorted(language for language in languages if language and _LANGUAGE.match(language))),
        collected_documents=collected.get("docs_in"),
        collected_bytes=collected.get("bytes_in"),
        redactions=dict(sorted(Counter(row["kind"] for row in _rows(redactions, ["kind"])).items())),
        card=read_object(documents.path / DATA_CARD) if DATA_CARD in documents.manifest.files else None,
    )


def _rows(files: list[Path], columns: list[str]) -> Iterator[dict[str, Any]]:
    for file in files:
        with parquet_errors(file), pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=4096, columns=columns):
                yield from batch.to_pylist()


def _collected(documents: Documents) -> dict[str, Any]:
    """Return the first line of the funnel: what the sources gave."""
    stages = documents.funnel["stages"] if "funnel.json" in documents.manifest.files else []
    return dict(stages[0]) if stages else {}
