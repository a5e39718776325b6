"""Runs of the whole line leave what they took, and the next plan uses it."""

import json
from pathlib import Path

import pytest

import groundup
from groundup.artifacts.manifest import read_manifest
from groundup.artifacts.plan import Plan
from groundup.estimate.calibration.book import FILE, Book
from groundup.estimate.calibration.record import RunRecord
from groundup.recipe import load_recipe
from lines import write_recipe

STEPS = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDUP_HOME", str(home))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """Return the folder of a recipe and of its run, which is the first of this machine."""
    folder = tmp_path_factory.mktemp("line")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDUP_HOME", str(home))
        groundup.run(load_recipe(write_recipe(folder, workers=1), [f"pretrain.steps={STEPS}"]), folder / "run", until="pretrain")
    return folder


def recipe_of(line: Path, *overrides: str) -> groundup.recipe.Recipe:
    return load_recipe(line / "recipe.yaml", [f"pretrain.steps={STEPS}", *overrides])


def test_a_run_keeps_what_was_foreseen_and_what_was_measured(line: Path) -> None:
    (kept,) = Book().read().runs
    forecast = Plan.open(line / "run/plan").forecast
    memory, speed = (json.loads((line / "run/pretrain" / name).read_text()) for name in ("memory.json", "speed.json"))
    assert forecast.calibrated is not None
    assert kept.plain == forecast.calibrated.plain
    assert kept.foreseen.growth_bytes == forecast.growth_bytes
    assert kept.foreseen.step_s == forecast.step_s
    assert kept.measured.growth_bytes == memory["peak_memory_bytes"] - memory["start_rss_bytes"]
    assert kept.measured.step_s == speed["median_step_s"]
    assert kept.train_s == speed["train_s"]
    assert (
        kept.measured.step_s * STEPS + kept.measured.beside_s == pytest.approx(speed["train_s"], rel=1e-6)
        or not kept.measured.beside_s
    )
    assert (kept.steps, kept.kind.shape, kept.kind.precision) == (STEPS, "decoder", "fp32")
    evaluations = (line / "run/pretrain/evaluations.jsonl").read_text().splitlines()
    assert kept.measured.loss == json.loads(evaluations[-1])["loss"]
    assert str(line) not in (Book().path).read_text()


def test_the_next_plan_is_corrected_and_the_made_one_stays(line: Path, tmp_path: Path) -> None:
    """The file is in no key and no hash: what is made is skipped, and a plan made anew has the same decisions."""
    book = Book()
    (kept,) = book.read().runs
    for _ in range(3):
        book.add(taken(kept, 3.0))
    assert not any(groundup.run(recipe_of(line), line / "run", until="plan").made.values())
    made = Plan.open(line / "run/plan")
    again = groundup.plan(recipe_of(line), line / "run/encode", tmp_path / "plan")
    assert again.manifest.key == made.manifest.key
    assert again.content_hash == made.content_hash
    forecast = again.forecast
    assert forecast.calibrated is not None
    assert forecast.calibrated.runs == 4
    assert {each.what for each in forecast.calibrated.corrections} >= {"step_s"}
    assert forecast.step_s > 1.5 * forecast.calibrated.plain.step_s
    assert any(reason.startswith("calibration: step time") for reason in forecast.why)


def taken(run: RunRecord, factor: float) -> RunRecord:
    """Return the run as if its steps had taken `factor` times what was foreseen."""
    measured = run.plain.model_copy(update={"step_s": run.plain.step_s * factor})
    return run.model_copy(update={"measured": measured})


def test_it_can_be_left_out_which_is_another_plan(line: Path) -> None:
    before, key = Book().path.read_bytes(), read_manifest(line / "run/plan").key
    groundup.run(recipe_of(line, "calibration=off"), line / "run", until="pretrain")
    plan = Plan.open(line / "run/plan")
    assert plan.manifest.key != key
    assert plan.forecast.calibrated is None
    assert any("left out, as the recipe says" in reason for reason in plan.forecast.why)
    assert Book().path.read_bytes() == before


def test_a_damaged_file_and_a_home_that_is_none_stop_neither_plan_nor_run(
    line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / FILE).write_text("no run\n")
    monkeypatch.setenv("GROUNDUP_HOME", str(tmp_path / "home"))
    groundup.plan(recipe_of(line), line / "run/encode", tmp_path / "plan")
    assert "1 damaged lines; set aside as" in capsys.readouterr().err.replace("\n", " ")
    monkeypatch.setenv("GROUNDUP_HOME", str(tmp_path / "home" / FILE))
    groundup.run(recipe_of(line, "pretrain.optimizer.learning_rate=0.001"), line / "run", until="pretrain")
    said = capsys.readouterr().err.replace("\n", " ")
    assert "this run is not kept for later forecasts" in said
    assert "this run is kept" not in said
