"""A tiny ladder trained, killed and gone on with, its band, and what is refused before anything is trained."""

import csv
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import commands
from groundup import api
from groundup.artifacts.band import Band
from groundup.cli import app
from groundup.core.engines import Workers, open_engine
from groundup.core.errors import ArtifactError, ConfigError, DataError
from groundup.ladder.config import LadderConfig
from groundup.ladder.points import CURVES_FILE, RUNS_FILE, Point, Scored, read_curves, read_points, write_rows
from groundup.ladder.rung_run import Task, run_rung
from groundup.ladder.sweep import LADDER_FILE
from groundup.recipe import load_recipe
from lines import write_recipe

ITEMS = ("widths=16,24", "tokens_per_param=0.8", "held_out_tokens=512", "evaluations=4")
PRETRAIN = {
    "seq_len": 64,
    "batch_tokens": 512,
    "steps": 400,
    "precision": "fp32",
    "attention": "sdpa",
    "compile": "off",
    "micro_batch": 8,
    "evaluate": {"max_tokens": 512, "every": 100},
}


def command(folder: Path) -> list[str | Path]:
    options = [word for item in ITEMS for word in ("--ladder", item)]
    return ["scaling", "sweep", folder / "recipe.yaml", *options, "--out", folder / "out"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a ladder whose first rung was killed with everything else, and which then went on."""
    folder = tmp_path_factory.mktemp("sweep")
    write_recipe(folder, model={"dim": 48, "num_layers": 2}, pretrain=PRETRAIN)
    first = folder / "out" / "rungs" / "d16x2-t0.8" / "pretrain" / "metrics.jsonl"
    process = commands.start(*command(folder), "--quiet")
    while process.poll() is None and not first.exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.ended().returncode == -signal.SIGKILL
    assert not (folder / "out" / RUNS_FILE).exists()
    done = commands.groundup(*command(folder), "--json")
    assert done.returncode == 0, done.stderr
    (folder / "said.json").write_text(done.stdout)
    return folder


def test_a_killed_ladder_goes_on_and_writes_its_points(swept: Path) -> None:
    said = json.loads((swept / "said.json").read_text())
    assert said["made"] == ["d16x2-t0.8", "d24x2-t0.8"]
    rows = list(csv.DictReader((swept / "out" / RUNS_FILE).read_text().splitlines()))
    assert [row["run_id"] for row in rows] == said["made"]
    assert list(rows[0])[:5] == ["params", "tokens", "loss", "flops", "run_id"]
    for row in rows:
        run = swept / "out" / "rungs" / row["run_id"] / "pretrain"
        scores = [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]
        assert float(row["loss"]) == scores[-1]["loss"]
        assert int(row["tokens"]) == int(row["steps"]) * 512 == scores[-1]["tokens"]
        curve = [scored for scored in read_curves(swept / "out" / CURVES_FILE) if scored.run_id == row["run_id"]]
        assert [(scored.step, scored.loss) for scored in curve] == [(score["step"], score["loss"]) for score in scores]
    facts = json.loads((swept / "out" / LADDER_FILE).read_text())
    assert facts["held_out_targets"] == scores[-1]["targets"]


def test_what_is_finished_is_not_trained_again(swept: Path) -> None:
    recipe = load_recipe(swept / "recipe.yaml")
    ladder = LadderConfig(widths=(16, 24), tokens_per_param=(0.8,), held_out_tokens=512, evaluations=4)
    before = (swept / "out" / RUNS_FILE).read_bytes()
    assert api.scaling_sweep(recipe, swept / "out", ladder).new == ()
    assert (swept / "out" / RUNS_FILE).read_bytes() == before


def test_a_dry_run_tells_sizes_time_and_memory(swept: Path) -> None:
    options = [word for item in ("widths=16,24,32", *ITEMS[1:]) for word in ("--ladder", item)]
    told = CliRunner().invoke(
        app, ["scaling", "sweep", str(swept / "recipe.yaml"), *options, "--out", str(swept / "out"), "--dry-run", "--json"]
    )
    rungs = json.loads(told.stdout)["rungs"]
    assert [(rung["run_id"], rung["finished"]) for rung in rungs] == [
        ("d16x2-t0.8", True),
        ("d24x2-t0.8", True),
        ("d32x2-t0.8", False),
    ]
    assert rungs[2]["seconds"] > 0
    assert rungs[2]["flops"] > rungs[1]["flops"] > rungs[0]["flops"]
    assert rungs[2]["memory_bytes"] > 10 * 4 * rungs[2]["params"]
    assert not (swept / "out" / "rungs" / "d32x2-t0.8").exists()


def test_a_ladder_of_other_text_is_refused(swept: Path) -> None:
    other = load_recipe(swept / "recipe.yaml", ["tokenizer.vocab_size=400"])
    with pytest.raises(ArtifactError, match="another tokenizer, whose losses do not compare"):
        api.scaling_sweep(other, swept / "out", LadderConfig(widths=(16, 24), tokens_per_param=(0.8,)))
    with pytest.raises(ArtifactError, match=r"no ladder\.json says that they are a ladder's"):
        api.scaling_sweep(other, swept, LadderConfig(widths=(16, 24), tokens_per_param=(0.8,)))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("curate.validation=0", "curate.validation=0 holds out no text"),
        ("pretrain.evaluate={enabled: false}", "scores no held-out text"),
    ],
)
def test_a_ladder_needs_held_out_text(swept: Path, tmp_path: Path, override: str, words: str) -> None:
    recipe = load_recipe(swept / "recipe.yaml", [override])
    with pytest.raises(ConfigError, match=words):
        api.scaling_sweep(recipe, tmp_path / "out", LadderConfig(widths=(16, 24), tokens_per_param=(0.8,)))
    assert not (tmp_path / "out").exists()


def test_a_rung_that_fails_is_told_with_its_words(swept: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rung"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("name: [")
    ended = run_rung(Task("bad", folder, 1))
    assert ended.code == 2
    assert "recipe.yaml" in ended.words


def synthetic_ladder(swept: Path, out: Path, runs: list[tuple[int, int]]) -> Path:
    """Write a ladder of made points, with the facts of the real one."""
    out.mkdir()
    shutil.copy(swept / "out" / LADDER_FILE, out)
    points, curves = [], []
    for params, tokens in runs:
        name = f"{params}-{tokens}"
        loss = 2 + 20 * params**-0.3 + 50 * tokens**-0.35
        points.append(Point(params, tokens, loss, 6.0 * params * tokens, name, 16, 2, 400, 512, 1e-3, 1.0, 1.0))
        curves += [
            Scored(name, step, tokens * step // 400, loss * (step / 400) ** -0.05, min(1.0, step / 20)) for step in range(1, 401)
        ]
    write_rows(out / RUNS_FILE, points, Point)
    write_rows(out / CURVES_FILE, curves, Scored)
    return out


RUNS = [(params, tokens) for params in (5000, 10_000, 20_000) for tokens in (20_000, 40_000, 80_000)]


def test_points_survive_the_file(tmp_path: Path, swept: Path) -> None:
    ladder = synthetic_ladder(swept, tmp_path / "ladder", RUNS)
    assert [(point.params, point.tokens) for point in read_points(ladder / RUNS_FILE)] == RUNS
    (ladder / RUNS_FILE).write_text("params,tokens\n1,x\n")
    with pytest.raises(ArtifactError, match="damaged"):
        read_points(ladder / RUNS_FILE)


def test_a_band_from_its_ladder(swept: Path, tmp_path: Path) -> None:
    ladder, recipe = synthetic_ladder(swept, tmp_path / "ladder", RUNS), load_recipe(swept / "recipe.yaml")
    band = api.scaling_band(ladder, tmp_path / "band", recipe)
    facts = band.facts
    expected = 2 + 20 * facts.params**-0.3 + 50 * facts.tokens**-0.35
    assert facts.points[-1].loss == pytest.approx(expected, rel=0.01)
    assert facts.points[0].tokens == pytest.approx(0.05 * facts.tokens, rel=0.01)
    for point in facts.points:
        truth = expected * (point.tokens / facts.tokens) ** -0.05
        assert point.low_95 < point.low_80 < point.loss < point.high_80 < point.high_95
        assert point.low_95 < truth < point.high_95
    assert (band.path / "band.svg").is_file()
    checked = json.loads((band.path / "validation.json").read_text())
    assert checked["run_id"] == "20000-80000"
    assert abs(checked["error"]) < 0.01
    assert api.scaling_band(ladder, tmp_path / "band", recipe).content_hash == band.content_hash


def test_a_band_is_of_the_ladders_own_recipe_unless_another_is_named(swept: Path, tmp_path: Path) -> None:
    ladder = synthetic_ladder(swept, tmp_path / "ladder", RUNS)
    done = CliRunner().invoke(app, ["scaling", "band", str(ladder), "--out", str(tmp_path / "band"), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["content_hash"] == Band.open(tmp_path / "band").content_hash
    assert said["tokens"] == 400 * 512


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("tokenizer.vocab_size=400", "were trained otherwise than this recipe's: tokenizer"),
        ("pretrain.schedule.name=linear", r"pretrain\.schedule"),
        ("pretrain.batch_tokens=1024", r"pretrain\.batch_tokens \(512 there, 1024 here\)"),
        ("pretrain.steps=1", "a band is of a run larger than its ladder"),
    ],
)
def test_bands_of_runs_that_the_ladder_says_nothing_of(swept: Path, tmp_path: Path, override: str, words: str) -> None:
    ladder = synthetic_ladder(swept, tmp_path / "ladder", RUNS)
    with pytest.raises(ConfigError, match=words):
        api.scaling_band(ladder, tmp_path / "band", load_recipe(swept / "recipe.yaml", [override, "pretrain.evaluate={}"]))


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (RUNS[:4], "4 finished runs; a band takes 5"),
        ([(10_000, tokens) for tokens in range(20_000, 80_000, 10_000)], "all runs have one size"),
        ([(params, 20_000) for params in range(5000, 11_000, 1000)], "all runs have one number of tokens"),
    ],
)
def test_ladders_that_tell_too_little(swept: Path, tmp_path: Path, runs: list[tuple[int, int]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        api.scaling_band(synthetic_ladder(swept, tmp_path / "ladder", runs), tmp_path / "band", load_recipe(swept / "recipe.yaml"))


def test_two_rungs_at_once_through_processes(tmp_path: Path, swept: Path) -> None:
    """The engine's workers run rungs too: what is said of a broken recipe comes back from each."""
    tasks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text(yaml.safe_dump({"name": 3}))
        tasks.append(Task(name, tmp_path / name, 1))
    with open_engine(Workers("local", 2)) as engine:
        found = dict(engine.run(run_rung, tasks))
    assert sorted((ended.name, ended.code) for ended in found.values()) == [("a", 2), ("b", 2)]
