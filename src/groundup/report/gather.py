"""Gather what a report tells from a run folder, as far as the run has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.documents import Documents
from groundup.artifacts.manifest import MANIFEST, Manifest, read_manifest
from groundup.artifacts.mix import MIX, Mix
from groundup.artifacts.place import TIMINGS
from groundup.artifacts.plan import FORECAST_FILE, PLAN_FILE, Decisions, Forecast
from groundup.artifacts.reports import EVALUATION_FILE, EXPORT_FILE
from groundup.artifacts.shares import PARALLEL_FILE, Shares, read_shares
from groundup.artifacts.token_shards import SHARDS, ShardsInfo
from groundup.core.config import Config
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object
from groundup.estimate.collecting import advice
from groundup.lineage import read_sources, stage_folders
from groundup.pipeline import VERBS
from groundup.report.curation import Curation, read_curation
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
from groundup.report.reading import fit, read_facts, read_lines
from groundup.report.watched import Watched, read_watched

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
    plain: float | None = None
    """What was predicted before earlier runs of this machine corrected it; None if they did not."""

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1

    @property
    def plain_error(self) -> float | None:
        """The error that the prediction would have had without earlier runs."""
        return None if self.plain is None else self.plain / self.measured - 1

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
    curation: Curation | None
    """What the curation tells of itself."""
    tokenizer: TokenizerFacts | None
    shards: ShardsInfo | None
    mix: Mix | None
    """None where sources are weighed, or the tokens are not there yet."""
    decisions: Decisions | None
    forecast: Forecast | None
    steps: tuple[StepFacts, ...]
    held_out: tuple[HeldOutFacts, ...]
    """The model on held-out text while it was trained."""
    watched: Watched | None
    """None if no band watched over the run."""
    seen: Mapping[str, SourceSeen]
    """What training took of each source."""
    shares: Shares | None
    """What each of many processes did; None of one process."""
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
        rows, plain = [], plain_forecasts(self.forecast)
        if self.memory is not None:
            peak = self.memory.peak_memory_bytes
            memory = predicted_memory(self.forecast)
            rows.append(Comparison("peak memory", memory, peak, "bytes", MEMORY_TOLERANCE, plain.get("memory")))
        if self.speed is not None:
            train_s = self.forecast.train_s
            rows.append(Comparison("training time", train_s, self.speed.train_s, "seconds", TIME_TOLERANCE, plain.get("train_s")))
            if self.speed.median_step_s:
                step_s = self.forecast.step_s
                rows.append(Comparison("time of a step", step_s, self.speed.median_step_s, "seconds", None, plain.get("step_s")))
            if self.speed.mfu:
                rows.append(Comparison("matmul peak used (MFU)", self.forecast.mfu, self.speed.mfu, "percent"))
        if self.forecast.loss is not None and self.evaluation is not None and self.evaluation.nll_per_token:
            loss = self.evaluation.nll_per_token
            rows.append(Comparison("held-out loss [nats/token]", self.forecast.loss, loss, "number", None, plain.get("loss")))
        return tuple(row for row in rows if row.measured > 0)


def plain_forecasts(forecast: Forecast) -> dict[str, float]:
    """Return the forecasts that earlier runs of the machine corrected, as they were before: memory, train_s, step_s, loss."""
    calibrated = forecast.calibrated
    if calibrated is None:
        return {}
    plain = calibrated.plain
    before = {
        "memory": forecast.memory_bytes.get("process", 0) + plain.growth_bytes,
        "train_s": calibrated.plain_train_s,
        "step_s": plain.step_s,
        "loss": plain.loss,
    }
    amounts = {"growth_bytes": ("memory",), "step_s": ("step_s", "train_s"), "beside_s": ("train_s",), "loss": ("loss",)}
    corrected = {name for each in calibrated.corrections for name in amounts[each.what]}
    return {name: amount for name, amount in before.items() if name in corrected and amount is not None}


def predicted_memory(forecast: Forecast) -> int:
    """Return the predicted peak [bytes]: the total, or the sum of the components if none is said."""
    return forecast.memory_bytes.get("total") or sum(forecast.memory_bytes.values())


def gather(run: Path) -> RunFacts:
    """Return the facts of the run folder, or of a curation alone; stages that are not made, or not whole any more, are left out.

    Raises ArtifactError if `run` holds no whole stage of a run, or what a stage wrote is not what a report can be drawn from.
    """
    stages: dict[str, StageFacts] = {}
    damaged: dict[str, str] = {}
    folders = _folders(run)
    for name, folder in folders.items():
        try:
            stages[name] = _stage(name, folder, Artifact.open(folder))
        except ArtifactError as error:
            damaged[name] = str(error)
    if not stages:
        raise ArtifactError("\n".join(damaged.values()) or f"{run}: {_why_no_run(run)}")
    pretrain = run / "pretrain"
    card = run / "export" / "README.md"
    recipes = [stage.manifest.recipe for stage in stages.values() if stage.manifest.recipe is not None]

    def read(stage: str, file: str, shape: type[F]) -> F | None:
        path = folders[stage] / file if stage in stages else None
        return read_facts(path, shape) if path is not None and path.is_file() else None

    def parse(stage: str, file: str, shape: type[C]) -> C | None:
        path = folders[stage] / file if stage in stages else None
        return shape.parse(read_object(path), str(path)) if path is not None else None

    return RunFacts(
        name=str(recipes[-1].get("name", run.resolve().name)) if recipes else run.resolve().name,
        stages=tuple(stages.values()),
        unfinished=tuple(verb for verb in VERBS if verb not in {*stages, *damaged} and (run / verb).is_dir()),
        damaged=tuple(damaged.values()),
        recipe=recipes[-1] if recipes else None,
        funnel=read("curate", "funnel.json", Funnel),
        curation=read_curation(folders["curate"]) if "curate" in stages else None,
        tokenizer=read("tokenizer", "facts.json", TokenizerFacts),
        shards=parse("encode", SHARDS, ShardsInfo),
        mix=parse("encode", MIX, Mix) if (run / "encode" / MIX).is_file() else None,
        decisions=parse("plan", PLAN_FILE, Decisions),
        forecast=parse("plan", FORECAST_FILE, Forecast),
        steps=read_lines(pretrain / METRICS_FILE, StepFacts),
        held_out=read_lines(pretrain / EVALUATIONS_FILE, HeldOutFacts),
        watched=read_watched(pretrain),
        seen=_read_seen(pretrain / SEEN_FILE) if "pretrain" in stages else {},
        shares=read_shares(pretrain / PARALLEL_FILE) if "pretrain" in stages else None,
        memory=read("pretrain", "memory.json", MemoryFacts),
        speed=read("pretrain", "speed.json", SpeedFacts),
        evaluation=read("evaluate", EVALUATION_FILE, EvaluationFacts),
        export=read("export", EXPORT_FILE, ExportFacts),
        card=card.read_text(encoding="utf-8", errors="replace") if "export" in stages and card.is_file() else None,
    )


def is_curation(run: Path) -> bool:
    """Return whether the folder is what curate makes, and no run of the line."""
    try:
        return read_manifest(run).kind == Documents.kind
    except ArtifactError:
        return False


def _folders(run: Path) -> dict[str, Path]:
    """Return the folder of each stage that is there."""
    if is_curation(run):
        return {"curate": run}
    return {folder.name: folder for folder in stage_folders(run) if folder.name in VERBS}


def _stage(name: str, folder: Path, artifact: Artifact) -> StageFacts:
    timings = folder / TIMINGS
    return StageFacts(
        name=name,
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


def _read_seen(path: Path) -> dict[str, SourceSeen]:
    if not path.is_file():
        return {}
    return {name: fit(data, SourceSeen, f"{path}: {name}") for name, data in read_object(path).items()}
