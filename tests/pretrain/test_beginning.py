import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import pretrain_process as process
from builders import build_plan
from groundup.artifacts.checkpoint import TrainingRun
from groundup.core.errors import Stopped
from groundup.pretrain.beginning import Making, take_over_beginning
from groundup.train.config import TrainConfig
from groundup.train.course.config import ScheduleConfig
from groundup.train.course.course import Course
from groundup.train.hooks.evaluation import read_evaluations
from groundup.train.metrics import read_rows
from groundup.train.optim.config import OptimizerConfig
from groundup.train.parallel.config import LocalSgd

WSD = {"name": "wsd", "warmup_steps": 4, "decay_steps": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    process.line(folder)
    return folder


UNSCORED = {"enabled": False}


def train(
    folder: Path, out: Path, steps: int, schedule: dict[str, Any] = WSD, seed: int = 5, evaluate: dict[str, Any] = UNSCORED
) -> TrainingRun:
    """Plan so many steps, and pretrain as a fresh process does."""
    line = out.parent / f"{out.name}.line"
    if not line.exists():
        line.mkdir(parents=True)
        for name in ("tokenizer", "encode"):
            (line / name).symlink_to(folder / name)
        build_plan(line / "plan", process.DECISIONS.model_copy(update={"steps": steps, "checkpoint_steps": 12}))
    data = {"seq_len": 16, "batch_tokens": 64, "steps": steps, "schedule": schedule, "evaluate": evaluate}
    config = TrainConfig.parse(data, "test")
    return process.pretrain(line, out, seed, config)


def scores(out: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in read_evaluations(out / "evaluations.jsonl")]


def rows(out: Path) -> list[dict[str, Any]]:
    return read_rows(out / "metrics.jsonl")


def first_step(run: TrainingRun) -> int:
    """Return the first step that the run trained itself."""
    return next((int(row["step"]) for row in rows(run.path) if "resumed" in row["events"]), 1)


def same(run: TrainingRun, alone: TrainingRun) -> bool:
    """Return whether both ended in the same bits, with the same learning on the way."""
    for name in ("model.safetensors", "state.safetensors"):
        if (run.final.path / name).read_bytes() != (alone.final.path / name).read_bytes():
            return False
    keys = ("step", "tokens", "loss", "lr", "grad_norm")
    return [[row[key] for key in keys] for row in rows(run.path)] == [[row[key] for key in keys] for row in rows(alone.path)]


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    return train(folder, tmp_path_factory.mktemp("beside") / "pretrain", 40)


@pytest.fixture(scope="module")
def alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """The run of 52 steps that has no other beside it."""
    return train(folder, tmp_path_factory.mktemp("alone") / "pretrain", 52)


def test_the_end_of_the_stable_phase_is_kept(finished: TrainingRun) -> None:
    assert sorted(path.name for path in (finished.path / "checkpoints").glob("step-*")) == ["step-32", "step-36", "step-40"]


def test_a_longer_run_goes_on_from_the_stable_phase_of_a_finished_one(
    folder: Path, finished: TrainingRun, alone: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = train(folder, finished.path.with_name("longer"), 52)
    assert f"the first 32 steps are those of {finished.path}" in capsys.readouterr().err
    assert first_step(longer) == 33
    assert same(longer, alone)


def test_what_was_found_on_held_out_text_is_taken_over(folder: Path, tmp_path: Path) -> None:
    scored = {"every": 8, "max_tokens": 100}
    train(folder, tmp_path / "beside" / "first", 40, evaluate=scored)
    longer = train(folder, tmp_path / "beside" / "longer", 52, evaluate=scored)
    alone = train(folder, tmp_path / "alone" / "alone", 52, evaluate=scored)
    assert first_step(longer) == 33
    found, expected = (
        [(row["step"], row["loss"]) for row in read_evaluations(run.path / "evaluations.jsonl")] for run in (longer, alone)
    )
    assert found == expected
    assert [step for step, _ in found] == [8, 16, 24, 32, 40, 48, 52]


def test_a_decay_begins_where_a_running_stable_phase_was_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Course.learning_rate

    def stopped(course: Course, step: int) -> float:
        if step == 25 - 1 and course.steps == 1000:
            signal.raise_signal(signal.SIGTERM)
        return real(course, step)

    with monkeypatch.context() as patch:
        patch.setattr(Course, "learning_rate", stopped)
        with pytest.raises(Stopped):
            train(folder, tmp_path / "running", 1000)
    decayed = train(folder, tmp_path / "decayed", 25 + 8)
    assert first_step(decayed) == 26
    alone = train(folder, tmp_path / "elsewhere" / "alone", 25 + 8)
    assert first_step(alone) == 1
    assert same(decayed, alone)


def taken_over(making: Making, beside: Path) -> list[str]:
    """Return the checkpoints that a new run takes over from those in the folder."""
    (beside / "new").mkdir()
    take_over_beginning(making, beside / "new", "metrics.jsonl")
    return sorted(path.name for path in (beside / "new" / "checkpoints").glob("*"))


def making_of(run: TrainingRun, steps: int, **changes: Any) -> Making:
    """Return what decides the run, with other steps and changed settings."""
    making = Making.parse(json.loads((run.path / "course.json").read_text()), "course.json")
    decisions = making.decisions.model_copy(update={"steps": steps, "checkpoint_steps": 5})
    config = making.config.model_copy(update={name: value for name, value in changes.items() if name != "seed"})
    return making.model_copy(update={"decisions": decisions, "config": config, "seed": changes.get("seed", making.seed)})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ["step-32"]),
        ({"keep_checkpoints": 7}, ["step-32"]),
        ({"seed": 6}, []),
        ({"schedule": ScheduleConfig(name="wsd", warmup_steps=5, decay_steps=8)}, []),
        ({"optimizer": OptimizerConfig(weight_decay=0.2)}, []),
        ({"clip_norm": 0.5}, []),
    ],
)
def test_what_is_shared_and_what_not(finished: TrainingRun, tmp_path: Path, change: dict[str, Any], expected: list[str]) -> None:
    (tmp_path / "beside").symlink_to(finished.path)
    assert taken_over(making_of(finished, 44, **change), tmp_path) == expected


@pytest.mark.parametrize("damage", ["weights", "metrics", "course"])
def test_a_damaged_run_beside_is_passed_over(finished: TrainingRun, tmp_path: Path, damage: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished.path, other)
    file = {"weights": "checkpoints/step-32/model.safetensors", "metrics": "metrics.jsonl", "course": "course.json"}[damage]
    content = (other / file).read_bytes()
    (other / file).write_bytes(content[: len(content) // 2])
    assert taken_over(making_of(finished, 44), tmp_path) == []


def test_rates_that_the_other_run_did_not_keep_are_not_shared(finished: TrainingRun, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished.path, other)
    lines = rows(other)
    lines[20]["lr"] /= 2  # as a run that heals does
    (other / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    assert taken_over(making_of(finished, 44), tmp_path) == []


def test_a_run_of_islands_shares_nothing_with_others(finished: TrainingRun) -> None:
    together = making_of(finished, 44)
    apart = together.model_copy(update={"apart": LocalSgd(islands=2)})
    assert together.common_steps(making_of(finished, 40)) > 0
    assert together.common_steps(apart) == apart.common_steps(together) == 0
