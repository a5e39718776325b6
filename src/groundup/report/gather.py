"""Gather what a report tells from a run folder, as far as the run has come."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.manifest import MANIFEST, Manifest
from groundup.artifacts.mix import MIX, Mix
from groundup.artifacts.place import TIMINGS
from groundup.artifacts.plan import FORECAST_FILE, PLAN_FILE, Decisions, Forecast
from groundup.artifacts.reports import EVALUATION_FILE, EXPORT_FILE
from groundup.artifacts.token_shards import SHARDS, ShardsInfo
from groundup.core.config import Config
from groundup.core.errors import REMAKE, ArtifactError
from groundup.core.files import read_object, storage_errors
from groundup.estimate.collecting import advice
from groundup.lineage import read_sources, stage_folders
from groundup.pipeline import VERBS
from groundup.report.facts import (
    EvaluationFacts,
    ExportFacts,
    Facts,
    Funnel,
    HeldOutFacts,
    MemoryFacts,
    SourceSeen,
    SpeedFacts,
    StepFacts,
    Timings,
    TokenizerFacts,
)

METRICS_FILE = "metrics.jsonl"
EVALUATIONS_FILE = "evaluations.jsonl"
SEEN_FILE = "sources.json"
MEMORY_TOLERANCE = 0.15
TIME_TOLERANCE = 0.25

F = TypeVar("F", bound=Facts)
C = TypeVar("C", bound=Config)
Unit = Literal["bytes", "seconds", "number", "percent"]


@dataclass(frozen=True)
class StageFacts:
    """A finished stage of the run."""

    name: str
    manifest: Manifest
    timings: Timings
    num_source_files: int

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.manifest.files.values())


@dataclass(frozen=True)
class Comparison:
    """A prediction beside its measurement; without a tolerance it is shown and not judged."""

    what: str
    predicted: float
    measured: float
    unit: Unit
    tolerance: float | None = None

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1

    @property
    def holds(self) -> bool | None:
        return None if self.tolerance is None else abs(self.error) <= self.tolerance


@dataclass(frozen=True)
class RunFacts:
    """All that is known of a run; None or empty where a stage is not made yet."""

    name: str
    stages: tuple[StageFacts, ...]
    unfinished: tuple[str, ...]
    damaged: tuple[str, ...]
    """Of each stage that is left out because its manifest or a file is damaged, what is wrong and the way out."""
    recipe: Mapping[str, Any] | None
    funnel: Funnel | None
    tokenizer: TokenizerFacts | None
    shards: ShardsInfo | None
    mix: Mix | None
    """None where sources are weighed, or the tokens are not there yet."""
    decisions: Decisions | None
    forecast: Forecast | None
    steps: tuple[StepFacts, ...]
    held_out: tuple[HeldOutFacts, ...]
    """The model on held-out text while it was trained."""
    seen: Mapping[str, SourceSeen]
    """What training took of each source."""
    memory: MemoryFacts | None
    speed: SpeedFacts | None
    evaluation: EvaluationFacts | None
    export: ExportFacts | None
    card: str | None
    """The exported README.md."""

    @property
    def tokens_seen(self) -> int:
        return self.steps[-1].tokens if self.steps else 0

    @property
    def text_bytes_seen(self) -> float | None:
        """Text behind the tokens that training saw, repeats included [bytes]."""
        if self.shards is None or not self.tokens_seen:
            return None
        tokens, size = (sum(getattr(source, what)["train"] for source in self.shards.sources) for what in ("tokens", "bytes"))
        return self.tokens_seen * size / tokens if tokens else None

    @property
    def to_collect(self) -> str | None:
        """What a million tokens take of raw text, in words."""
        collected = self.shards.collected if self.shards is not None else None
        return advice(1_000_000, collected) if collected is not None else None

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Predictions of the plan beside what the run measured."""
        if self.forecast is None:
            return ()
        rows = []
        if self.memory is not None:
            peak = self.memory.peak_memory_bytes
            rows.append(Comparison("peak memory", predicted_memory(self.forecast), peak, "bytes", MEMORY_TOLERANCE))
        if self.speed is not None:
            rows.append(Comparison("training time", self.forecast.train_s, self.speed.train_s, "seconds", TIME_TOLERANCE))
            if self.speed.median_step_s:
                rows.append(Comparison("time of a step", self.forecast.step_s, self.speed.median_step_s, "seconds"))
            if self.speed.mfu:
                rows.append(Comparison("matmul peak used (MFU)", self.forecast.mfu, self.speed.mfu, "percent"))
        if self.forecast.loss is not None and self.evaluation is not None and self.evaluation.nll_per_token:
            rows.append(Comparison("held-out loss [nats/token]", self.forecast.loss, self.evaluation.nll_per_token, "number"))
        return tuple(row for row in rows if row.measured > 0)


def predicted_memory(forecast: Forecast) -> int:
    """Return the predicted peak [bytes]: the total, or the sum of the components if none is said."""
    return forecast.memory_bytes.get("total") or sum(forecast.memory_bytes.values())


def gather(run: Path) -> RunFacts:
    """Return the facts of the run folder; stages that are not made, or are not whole any more, are left out.

    Raises ArtifactError if `run` holds no whole stage of a run, or what a stage wrote is not what a report can be drawn from.
    """
    stages: dict[str, StageFacts] = {}
    damaged: dict[str, str] = {}
    for folder in stage_folders(run):
        if folder.name in VERBS:
            try:
                stages[folder.name] = _stage(folder, Artifact.open(folder))
            except ArtifactError as error:
                damaged[folder.name] = str(error)
    if not stages:
        raise ArtifactError("\n".join(damaged.values()) or f"{run}: {_why_no_run(run)}")
    pretrain = run / "pretrain"
    card = run / "export" / "README.md"
    recipes = [stage.manifest.recipe for stage in stages.values() if stage.manifest.recipe is not None]

    def read(stage: str, file: str, shape: type[F]) -> F | None:
        return read_facts(run / stage / file, shape) if stage in stages and (run / stage / file).is_file() else None

    def parse(stage: str, file: str, shape: type[C]) -> C | None:
        path = run / stage / file
        return shape.parse(read_object(path), str(path)) if stage in stages else None

    return RunFacts(
        name=str(recipes[-1].get("name", run.resolve().name)) if recipes else run.resolve().name,
        stages=tuple(stages.values()),
        unfinished=tuple(verb for verb in VERBS if verb not in {*stages, *damaged} and (run / verb).is_dir()),
        damaged=tuple(damaged.values()),
        recipe=recipes[-1] if recipes else None,
        funnel=read("curate", "funnel.json", Funnel),
        tokenizer=read("tokenizer", "facts.json", TokenizerFacts),
        shards=parse("encode", SHARDS, ShardsInfo),
        mix=parse("encode", MIX, Mix) if (run / "encode" / MIX).is_file() else None,
        decisions=parse("plan", PLAN_FILE, Decisions),
        forecast=parse("plan", FORECAST_FILE, Forecast),
        steps=read_lines(pretrain / METRICS_FILE, StepFacts),
        held_out=read_lines(pretrain / EVALUATIONS_FILE, HeldOutFacts),
        seen=_read_seen(pretrain / SEEN_FILE) if "pretrain" in stages else {},
        memory=read("pretrain", "memory.json", MemoryFacts),
        speed=read("pretrain", "speed.json", SpeedFacts),
        evaluation=read("evaluate", EVALUATION_FILE, EvaluationFacts),
        export=read("export", EXPORT_FILE, ExportFacts),
        card=card.read_text(encoding="utf-8", errors="replace") if "export" in stages and card.is_file() else None,
    )


def _stage(folder: Path, artifact: Artifact) -> StageFacts:
    timings = folder / TIMINGS
    return StageFacts(
        name=folder.name,
        manifest=artifact.manifest,
        timings=read_facts(timings, Timings) if timings.is_file() else Timings(),
        num_source_files=len(read_sources(folder)),
    )


def _why_no_run(run: Path) -> str:
    if not run.is_dir():
        return "does not exist; 'groundup run RECIPE.yaml' makes a run"
    if (run / MANIFEST).is_file():
        return f"is one artifact; the report is of a whole run: try '{run.parent}', or 'groundup show {run}'"
    return "holds no finished stage of a run; 'groundup run RECIPE.yaml --out FOLDER' makes one"


def read_facts(path: Path, shape: type[F]) -> F:
    """Return the file's facts; raise ArtifactError with the key that does not fit."""
    return _fit(read_object(path), shape, str(path))


def read_lines(path: Path, shape: type[F]) -> tuple[F, ...]:
    """Return the facts of every line, none if there is no file; a last line that a kill cut short is left out."""
    if not path.is_file():
        return ()
    with storage_errors(path):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            if number == len(lines):
                break
            raise ArtifactError(f"{path}:{number}: not valid JSON; {REMAKE}") from None
        found.append(_fit(data, shape, f"{path}:{number}"))
    return tuple(found)


def _read_seen(path: Path) -> dict[str, SourceSeen]:
    if not path.is_file():
        return {}
    return {name: _fit(data, SourceSeen, f"{path}: {name}") for name, data in read_object(path).items()}


def _fit(data: Any, shape: type[F], where: str) -> F:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise ArtifactError(f"{where}: '{key}': {problem['msg']}; {REMAKE}") from None
