"""Real short runs beside a band: one that stays, one that is stopped and goes on, and bands of other runs."""

import json
from pathlib import Path
from typing import Any

import pytest

import pretrain_process as process
from builders import build
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.band import BAND_FILE, Band, BandFacts, BandPoint
from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.checkpoint import TrainingRun, checkpoint_folders
from groundup.artifacts.plan import Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.core.config import Config
from groundup.core.errors import ConfigError, Stopped
from groundup.core.files import write_json
from groundup.train.config import TrainConfig
from groundup.train.hooks.evaluation import read_evaluations

EVALUATE = {"every": 4, "max_tokens": 64}
HOT = {"learning_rate": 1.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    process.line(folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> TrainingRun:
    """Return the run that nobody watched."""
    return process.pretrain(folder, folder / "whole", config=config())


@pytest.fixture(scope="module")
def band(folder: Path, whole: TrainingRun) -> Path:
    """Return a band around the run that nobody watched."""
    make_band(folder, folder / "band", whole)
    return folder / "band"


def make_band(folder: Path, out: Path, whole: TrainingRun, **changes: Any) -> None:
    shards, plan = TokenShards.open(folder / "encode"), Plan.open(folder / "plan")
    rows = read_evaluations(whole.path / "evaluations.jsonl")
    facts = BandFacts(
        **{
            "params": plan.forecast.params,
            "tokens": plan.forecast.tokens,
            "vocab_size": 350,
            "tokenizer": shards.info.tokenizer_hash,
            "held_out": shards.held_out_hash,
            "held_out_tokens": 64,
            "held_out_targets": rows[0]["targets"],
            "shards": shards.content_hash,
            "runs": 8,
            "flops_ratio": 10.0,
            "points": tuple(point(row["tokens"], row["loss"]) for row in rows[1:]),
            **changes,
        }
    )

    def write(_: Config, job: Job) -> Outcome:
        write_json(job.out / BAND_FILE, facts.model_dump(mode="json"))
        return Outcome({"params": facts.params})

    build(Band, out, write)


def point(tokens: int, loss: float) -> BandPoint:
    return BandPoint(tokens=tokens, loss=loss, low_95=loss - 0.2, low_80=loss - 0.1, high_80=loss + 0.1, high_95=loss + 0.2)


def config(**changes: Any) -> TrainConfig:
    healing = {"enabled": False}
    return TrainConfig.model_validate(
        {"seq_len": 16, "batch_tokens": 64, "steps": process.STEPS, "evaluate": EVALUATE, "healing": healing, **changes}
    )


def watch(band: Path, **changes: Any) -> dict[str, Any]:
    return {"band": str(band), "evaluations": 2, "action": "stop", **changes}


def test_a_run_inside_its_band_ends_in_the_same_weights(folder: Path, whole: TrainingRun, band: Path, tmp_path: Path) -> None:
    watched = process.pretrain(folder, tmp_path / "watched", config=config(watch=watch(band)))
    assert watched.content_hash == whole.content_hash
    assert json.loads((watched.path / "watch.json").read_text())["left"] == []
    assert (watched.path / "watch.svg").is_file()
    assert not [row for row in metrics(watched.path) if "above the band" in row["events"]]


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_run_above_its_band_is_stopped_saved_and_goes_on(folder: Path, band: Path, tmp_path: Path) -> None:
    out, hot = tmp_path / "hot", config(watch=watch(band), optimizer=HOT)
    with pytest.raises(
        Stopped, match=r"2 evaluations in a row above the band.*stopped after step 13 of 40, which is saved"
    ) as error:
        process.pretrain(folder, out, config=hot)
    assert error.value.exit_code == 3
    assert [row["step"] for row in metrics(out) if "above the band" in row["events"]] == [12]
    assert int(checkpoint_folders(out / "checkpoints")[-1].name.removeprefix("step-")) == 13
    assert (out / "watch.svg").stat().st_size > 5000
    with pytest.raises(Stopped, match="stopped after step 21"):
        process.pretrain(folder, out, config=hot)
    assert [left["step"] for left in json.loads((out / "watch.json").read_text())["left"]] == [12, 20]


def test_a_warning_lets_the_run_end(folder: Path, band: Path, tmp_path: Path) -> None:
    run = process.pretrain(folder, tmp_path / "hot", config=config(watch=watch(band, action="warn"), optimizer=HOT))
    assert run.manifest.counts["steps"] == process.STEPS
    assert [left["stopped"] for left in json.loads((run.path / "watch.json").read_text())["left"]] == [False]
    same = process.pretrain(folder, tmp_path / "unwatched", config=config(optimizer=HOT))
    assert run.content_hash == same.content_hash


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": "x" * 64}, "of another tokenizer"),
        ({"held_out": "x" * 64}, "of another dataset"),
        ({"params": 7}, "of another model"),
        ({"tokens": 7}, "of another length of run"),
        ({"held_out_targets": 7}, "choice of held-out text"),
    ],
)
def test_bands_of_other_runs(folder: Path, whole: TrainingRun, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    make_band(folder, tmp_path / "band", whole, **changes)
    with pytest.raises(ConfigError, match=words):
        process.pretrain(folder, tmp_path / "run", config=config(watch=watch(tmp_path / "band")))


def test_there_must_be_something_to_watch(folder: Path, whole: TrainingRun, band: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluate\.enabled=false makes none"):
        config(watch=watch(band), evaluate={"enabled": False})
    assert Artifact.open(band).manifest.kind == "band"
