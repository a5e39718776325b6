"""What the rungs found: RUNS.csv, a point of the loss law a run, and curves.csv, their held-out losses on the way."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from groundup.artifacts.checkpoint import TrainingRun
from groundup.artifacts.plan import Plan
from groundup.core.errors import ArtifactError, DataError
from groundup.core.files import read_object, storage_errors, write_text
from groundup.train.hooks.evaluation import EVALUATIONS_FILE, read_evaluations

RUNS_FILE = "RUNS.csv"
CURVES_FILE = "curves.csv"
SPEED_FILE = "speed.json"


@dataclass(frozen=True)
class Point:
    """A finished run: a row of RUNS.csv."""

    params: int
    tokens: int
    loss: float
    """On held-out text, at the end [nats per token]."""
    flops: float
    run_id: str
    dim: int
    layers: int
    steps: int
    batch_tokens: int
    learning_rate: float
    epochs: float
    train_s: float


@dataclass(frozen=True)
class Scored:
    """A held-out score on the way: a row of curves.csv."""

    run_id: str
    step: int
    tokens: int
    loss: float
    learning_rate: float
    """Of the step, over the peak."""


def read_point(name: str, folder: Path, peak: float) -> Point:
    """Return the point of a rung that was trained in `folder`.

    Raises DataError if the model was not scored after its last step.
    """
    run, plan = TrainingRun.open(folder / "pretrain"), Plan.open(folder / "plan")
    steps = int(run.manifest.counts["steps"])
    rows = read_evaluations(run.path / EVALUATIONS_FILE)
    if not rows or rows[-1]["step"] != steps:
        raise DataError(
            f"{run.path}: no held-out score of its last step, {steps:,}: the loss there is no number, or there is no held-out text "
            "(curate.validation)"
        )
    decisions, forecast = plan.decisions, plan.forecast
    return Point(
        params=forecast.params,
        tokens=int(run.manifest.counts["tokens"]),
        loss=rows[-1]["loss"],
        flops=forecast.flops,
        run_id=name,
        dim=int(decisions.model["dim"] or 0),
        layers=int(decisions.model["num_layers"] or 0),
        steps=steps,
        batch_tokens=decisions.batch_tokens,
        learning_rate=peak,
        epochs=forecast.epochs,
        train_s=round(float(read_object(run.path / SPEED_FILE)["train_s"]), 3),
    )


def read_curve(name: str, folder: Path, rate: Callable[[int], float]) -> list[Scored]:
    """Return the held-out scores of a rung; `rate(step)` is its learning rate over the peak."""
    rows = read_evaluations(folder / "pretrain" / EVALUATIONS_FILE)
    return [Scored(name, row["step"], row["tokens"], row["loss"], rate(row["step"] - 1)) for row in rows]


def read_targets(folders: Sequence[Path]) -> int | None:
    """Return how many tokens each score of the rungs is over, None without rungs; raise ArtifactError if they differ."""
    found = {read_evaluations(folder / "pretrain" / EVALUATIONS_FILE)[-1]["targets"] for folder in folders}
    if len(found) > 1:
        raise ArtifactError(
            f"{folders[0].parent}: rungs are scored on {' and '.join(map(str, sorted(found)))} tokens; sweep into another --out"
        )
    return next(iter(found), None)


def write_rows(path: Path, rows: Sequence[Point] | Sequence[Scored], kind: type[Point] | type[Scored]) -> None:
    """Write the rows as CSV with a header, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(kind))
    writer.writerows(astuple(row) for row in rows)
    write_text(path, text.getvalue())


def read_points(path: Path) -> list[Point]:
    """Return the rows of RUNS.csv; raise ArtifactError if it is missing or damaged."""
    return [Point(**row) for row in _read(path, Point, {"run_id": str, "loss": float, "flops": float, **_RATES})]


def read_curves(path: Path) -> list[Scored]:
    """Return the rows of curves.csv; raise ArtifactError if it is missing or damaged."""
    return [Scored(**row) for row in _read(path, Scored, {"run_id": str, "loss": float, **_RATES})]


_RATES: dict[str, Callable[[str], Any]] = dict.fromkeys(("learning_rate", "epochs", "train_s"), float)


def _read(path: Path, kind: type[Point] | type[Scored], types: Mapping[str, Callable[[str], Any]]) -> list[dict[str, Any]]:
    """Return the rows with their values as `types` says, else as integers."""
    if not path.is_file():
        raise ArtifactError(f"{path}: missing; 'groundup scaling sweep' writes it once its runs are finished")
    names = [field.name for field in fields(kind)]
    with storage_errors(path):
        text = path.read_text(encoding="utf-8")
    try:
        return [{name: types.get(name, int)(row[name]) for name in names} for row in csv.DictReader(io.StringIO(text))]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: damaged ({error}): rows have {', '.join(names)}; the same sweep writes it anew") from None
