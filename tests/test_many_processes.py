"""The line on two processes, started as users start it: the same run as on one."""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import launches
from groundup import api
from groundup.artifacts.checkpoint import TrainingRun
from groundup.core.errors import Stopped
from groundup.recipe import load_recipe
from lines import write_recipe

LOSS_TOLERANCE = 1e-5  # float32 sums in another order, 60 updates
STEPS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a recipe, and what training reads of it in one.inputs and two.inputs."""
    folder = tmp_path_factory.mktemp("many")
    pretrain = {"seq_len": 64, "batch_tokens": 512, "steps": STEPS, "checkpoint_steps": 15, "precision": "fp32"}
    calm = {"optimizer": {"learning_rate": 1e-3}, "evaluate": {"every": 30, "max_tokens": 2000}}
    write_recipe(folder, pretrain={**pretrain, "attention": "sdpa", **calm})
    recipe = load_recipe(folder / "recipe.yaml")
    api.pretrain(recipe, folder / "one")
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> Path:
    code, said = launches.together(2, ["pretrain", str(folder / "recipe.yaml"), "--out", str(folder / "two")])
    assert code == 0, said
    assert said.count("2 processes: dp=2") == 1
    return folder / "two"


def rows(out: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def test_two_processes_train_what_one_does(folder: Path, two: Path) -> None:
    ones, twos = rows(folder / "one"), rows(two)
    assert [row["step"] for row in twos] == list(range(1, STEPS + 1))
    for one, other in zip(ones, twos, strict=True):
        assert {key: other[key] for key in ("tokens", "targets", "lr")} == {key: one[key] for key in ("tokens", "targets", "lr")}
        assert other["loss"] == pytest.approx(one["loss"], abs=LOSS_TOLERANCE)
        assert other["update_ratio"] == pytest.approx(one["update_ratio"], rel=1e-3)
    for one, other in zip(rows(folder / "one", "evaluations.jsonl"), rows(two, "evaluations.jsonl"), strict=True):
        assert other["targets"] == one["targets"]
        assert other["loss"] == pytest.approx(one["loss"], abs=LOSS_TOLERANCE)
    assert TrainingRun.open(two).manifest.key == TrainingRun.open(folder / "one").manifest.key
    assert len(json.loads((two / "memory.json").read_text())["peak_memory_bytes_by_process"]) == 2
    reasons = json.loads((two.with_name("two.inputs") / "plan" / "forecast.json").read_text())["why"]
    assert sum("the 2 processes took those steps together" in reason for reason in reasons) == 1
    looked_at = json.loads((two / "parallel.json").read_text())
    assert [rank["states"]["weights"] > 0 for rank in looked_at["ranks"]] == [True, True]


def test_a_stopped_run_goes_on_to_the_same_bits(folder: Path, two: Path) -> None:
    """One process is asked to stop: both do, after the same step; the same command ends in the same weights."""
    arguments = ["pretrain", str(folder / "recipe.yaml"), "--set", "parallel=auto", "--out", str(folder / "stopped")]
    process = launches.start(launches.command(2, arguments), folder / "stopped.log")
    metrics = folder / "stopped" / "metrics.jsonl"
    launches.wait_until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= 5)
    os.kill(launches.workers(process)[1], signal.SIGTERM)
    assert launches.finish(process) != 0
    assert (folder / "stopped.log").read_text().count("which is saved; the same command goes on") == 1
    assert "parallel=auto: dp=2, as planned" in (folder / "stopped.log").read_text()
    forecast = json.loads((folder / "stopped.inputs" / "plan" / "forecast.json").read_text())
    assert (forecast["processes"], forecast["layout"]["dp"]) == (2, 2)
    done = len(rows(folder / "stopped"))
    assert 5 <= done < STEPS
    for name in ("stopped", "stopped.inputs"):
        shutil.copytree(folder / name, folder / name.replace("stopped", "smaller"))
    code, said = launches.launch(2, arguments, folder / "resumed.log")
    assert code == 0, said
    assert f"going on after step {done} of" in said
    assert TrainingRun.open(folder / "stopped").content_hash == TrainingRun.open(two).content_hash
    assert [row["loss"] for row in rows(folder / "stopped")] == [row["loss"] for row in rows(two)]


def test_a_run_goes_on_with_fewer_processes_and_with_more(folder: Path, two: Path) -> None:
    """What two processes left, one takes up, and is asked to stop; two end it."""
    recipe, out = load_recipe(folder / "recipe.yaml", ["parallel=auto"]), folder / "smaller"
    begun = len(rows(out))
    with asked_to_stop(out, begun + 3), pytest.raises(Stopped):
        api.pretrain(recipe, out)
    alone = len(rows(out))
    assert begun < alone < STEPS
    arguments = ["pretrain", str(folder / "recipe.yaml"), "--set", "parallel=auto", "--out", str(out)]
    code, said = launches.together(2, arguments)
    assert code == 0, said
    assert f"going on after step {alone} of" in said
    assert "parallel=auto: dp=2, as before on 2 processes" in said
    assert list(json.loads((out / "layout.json").read_text())) == ["2"]
    for one, other in zip(rows(two), rows(out), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=LOSS_TOLERANCE)


@contextlib.contextmanager
def asked_to_stop(out: Path, steps: int) -> Iterator[None]:
    """Ask this process to stop when the run has done so many steps."""

    def ask() -> None:
        while len((out / "metrics.jsonl").read_text().splitlines()) < steps:
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what comes after the end does no harm
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        signal.signal(signal.SIGTERM, before)


def test_what_cannot_be_is_told_once_by_one_process(folder: Path) -> None:
    """World size, rows of a batch, ranks with another recipe: one message, all end."""
    recipe = str(folder / "recipe.yaml")
    two = ["--out", str(folder / "wrong")]
    code, said = launches.launch(2, ["pretrain", recipe, "--set", "parallel.dp=4", *two], folder / "wrong.log")
    assert code != 0
    assert said.count("is a layout of 4 processes, and 2 were started; set parallel.dp=2, or start 4") == 1
    different = [
        "bash",
        "-c",
        f"exec {sys.executable} -m groundup pretrain {recipe} --set seed=$RANK --out {folder}/wrong",
    ]
    launcher = launches.command(2, [], ["--no-python"])
    process = launches.start([*launcher[: launcher.index("-m", 3)], *different], folder / "different.log")
    assert launches.finish(process) != 0
    said = (folder / "different.log").read_text()
    assert said.count("has another recipe than the first") == 1
    assert "seed 1 there, 0 here" in said


def test_a_layout_and_pretrain_do_not_contradict(tmp_path: Path) -> None:
    write_recipe(tmp_path)
    data = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    data["parallel"] = {"dp": 2, "precision": "bf16"}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(api.ConfigError, match=r"parallel.precision=bf16 and pretrain.precision=fp32"):
        load_recipe(tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml", ["pretrain.precision=bf16"]).pretrain.precision == "bf16"
    with pytest.raises(api.ConfigError, match=r"no multiple of parallel.dp=3; nearest that is: 576 tokens, 9 rows"):
        load_recipe(tmp_path / "recipe.yaml", ["parallel.dp=3", "pretrain.precision=bf16"])
    with pytest.raises(api.ConfigError, match=r"unknown key 'parallel.dq'; did you mean"):
        load_recipe(tmp_path / "recipe.yaml", ["parallel.dq=3", "pretrain.precision=bf16"])
    with pytest.raises(api.ConfigError, match=r"'parallel': Input should be 'auto' \(got 'all'\)"):
        load_recipe(tmp_path / "recipe.yaml", ["parallel=all"])
    chosen = load_recipe(tmp_path / "recipe.yaml", ["parallel=auto"])
    assert chosen.parallel == chosen.resolved()["parallel"] == "auto"
