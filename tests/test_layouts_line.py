"""A recipe on two processes in each kind of layout, by the commands: trained as by one, read by all others, gone on with by one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import launches
from groundup import api
from groundup.recipe import load_recipe
from lines import write_recipe

LOSS_TOLERANCE = 1e-5  # float32 sums in another order, 40 updates
STEPS = 40
LONGEST_S = 600.0
LAYOUTS = ("tp=2", "pp=2", "cp=2", "zero=1", "zero=2", "zero=3")
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a recipe and its run on one process."""
    folder = tmp_path_factory.mktemp("layouts")
    pretrain = {"seq_len": 64, "batch_tokens": 512, "micro_batch": 2, "steps": STEPS, "checkpoint_steps": 10, "precision": "fp32"}
    calm = {"optimizer": {"learning_rate": 1e-3}, "evaluate": {"every": 20, "max_tokens": 2000}, "attention": "sdpa"}
    write_recipe(folder, pretrain={**pretrain, **calm})
    api.pretrain(load_recipe(folder / "recipe.yaml"), folder / "one")
    return folder


def arguments(folder: Path, layout: str, name: str) -> list[str]:
    """Return the command that trains in a layout, on what the run of one process has read."""
    inputs = folder / f"{name}.inputs"
    if not inputs.exists():
        shutil.copytree(folder / "one.inputs", inputs)
    return ["pretrain", str(folder / "recipe.yaml"), "--set", f"parallel.{layout}", "--out", str(folder / name)]


def train(arguments: list[str], log: Path) -> None:
    """Run the command on two processes, which may take long beside other work."""
    assert launches.finish(launches.start(launches.command(2, arguments), log), LONGEST_S) == 0, log.read_text()


def groundup(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, "-m", "groundup", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(out: Path, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text().splitlines()]


def are_those_of_one(folder: Path, out: Path) -> None:
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        losses = [row["loss"] for row in rows(out, name)]
        assert losses == pytest.approx([row["loss"] for row in rows(folder / "one", name)], abs=LOSS_TOLERANCE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_trains_what_one_process_does_and_all_commands_read_it(folder: Path, layout: str) -> None:
    out = folder / layout
    train(arguments(folder, layout, layout), folder / f"{layout}.log")
    are_those_of_one(folder, out)
    text = folder / "texts" / "random.txt"
    scores = [json.loads(groundup("evaluate", run, "--text", text, "--json"))["bits_per_byte"] for run in (out, folder / "one")]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert groundup("generate", out, "--prompt", "def ", "--greedy", "--max-new-tokens", "5").startswith("def ")
    exported = json.loads(groundup("export", out, "--format", "hf", "--out", folder / f"{layout}.hf", "--json"))
    assert exported["max_logit_difference"] < 1e-4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_process_goes_on_with_what_two_were_stopped_in(folder: Path, layout: str) -> None:
    name = f"{layout}-stopped"
    process = launches.start(launches.command(2, arguments(folder, layout, name)), folder / f"{name}.log")
    metrics = folder / name / "metrics.jsonl"
    launches.wait_until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= 5, LONGEST_S)
    os.kill(launches.workers(process)[0], signal.SIGTERM)
    assert launches.finish(process, LONGEST_S) != 0
    assert 5 <= len(rows(folder / name)) < STEPS
    groundup("pretrain", folder / "recipe.yaml", "--out", folder / name)
    are_those_of_one(folder, folder / name)


@pytest.mark.parametrize("layout", ["dp=2", "zero=3", "pp=2", "tp=2"])
def test_compiled_steps_train_what_others_do(folder: Path, layout: str) -> None:
    name = f"{layout}-compiled"
    train([*arguments(folder, layout, name), "--set", "pretrain.compile=on"], folder / f"{name}.log")
    are_those_of_one(folder, folder / name)
