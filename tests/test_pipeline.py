"""The whole line, small: what is made once is skipped, what changed is remade with all that depends on it, and nothing else."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from groundup import api
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.checkpoint import find_checkpoint
from groundup.artifacts.place import INCOMPLETE
from groundup.core.errors import ArtifactError, ConfigError
from groundup.orders import lineage_of
from groundup.pipeline import VERBS, find_stage, line_folders, order_stage, stages_until
from groundup.recipe import load_recipe
from lines import checkpoint_hash, content_hashes, write_recipe


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests that change it work on what they change alone."""
    folder = tmp_path_factory.mktemp("line")
    done = api.run(write_recipe(folder), folder / "run")
    assert done.made == dict.fromkeys(VERBS, True)
    return folder


def test_everything_is_there(line: Path) -> None:
    run = line / "run"
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert 0 < evaluation["bits_per_byte"] < 8
    assert set(evaluation["baselines"]) == {"unigram", "bigram", "xz", "xz_conditional"}
    assert "<svg" in (run / "report.html").read_text()
    assert json.loads((run / "export" / "groundup_export.json").read_text())["verified"] is True
    assert (run / "pretrain" / "recipe.resolved.yaml").is_file()


def test_second_run_skips_every_stage(line: Path) -> None:
    assert api.run(line / "recipe.yaml", line / "run").made == dict.fromkeys(VERBS, False)


def test_another_run_has_the_same_hashes(line: Path) -> None:
    api.run(line / "recipe.yaml", line / "again")
    ours, theirs = content_hashes(line / "run"), content_hashes(line / "again")
    assert ours == theirs
    assert checkpoint_hash(line / "run") == checkpoint_hash(line / "again")


def test_a_changed_setting_remakes_what_depends_on_it(line: Path) -> None:
    recipe = load_recipe(line / "recipe.yaml", ["evaluate.sample_tokens=9"])
    shutil.copytree(line / "run", line / "changed")
    made = api.run(recipe, line / "changed").made
    assert made == {**dict.fromkeys(VERBS, False), "evaluate": True, "export": True}


def test_a_changed_source_file_remakes_the_line(line: Path) -> None:
    folder = line / "second"
    recipe = write_recipe(folder)
    api.run(recipe, folder / "run", until="encode")
    (folder / "texts" / "argparse.txt").write_text("A new text. " * 500)
    assert set(api.preview(load_recipe(recipe), folder / "run").values()) == {
        "make",
        "make, after curate",
        "make, after curate, tokenizer",
        "make, after encode",
        "make, after plan, encode, tokenizer",
        "make, after pretrain, encode, curate",
        "make, after pretrain, evaluate, plan, curate",
    }
    assert all(api.run(recipe, folder / "run", until="encode").made.values())


def test_from_remakes_a_stage_that_is_there(line: Path) -> None:
    shutil.copytree(line / "run", line / "from-tokenizer")
    made = api.run(line / "recipe.yaml", line / "from-tokenizer", until="tokenizer", remake_from="tokenizer").made
    assert made == {"curate": False, "tokenizer": True}


def test_until_takes_only_what_is_needed() -> None:
    assert [stage.verb for stage in stages_until("tokenizer")] == ["curate", "tokenizer"]
    with pytest.raises(ConfigError, match="did you mean 'tokenizer'"):
        stages_until("tokeniser")


def test_a_moved_run_still_knows_its_lineage(line: Path) -> None:
    moved = line / "elsewhere" / "moved"
    moved.parent.mkdir()
    shutil.copytree(line / "run", line / "to-be-moved")
    (line / "to-be-moved").rename(moved)
    assert api.run(line / "recipe.yaml", moved).made == dict.fromkeys(VERBS, False)


def test_each_artifact_holds_the_resolved_recipe(line: Path) -> None:
    for verb in VERBS:
        recipe = Artifact.open(line / "run" / verb).manifest.recipe
        assert recipe is not None
        assert recipe["tokenizer"]["vocab_size"] == 512


def test_pretrain_alone_makes_its_inputs_beside_it(line: Path) -> None:
    trained = api.pretrain(line / "recipe.yaml", line / "alone")
    assert trained.final.content_hash == Artifact.open(line / "run" / "pretrain" / "checkpoints" / "step-30").content_hash
    assert (line / "alone.inputs" / "plan" / "manifest.json").is_file()


def test_two_runs_in_one_folder_at_once_are_refused(line: Path) -> None:
    lock = f"with locked(Path({str(line / 'run')!r})): print('in', flush=True); input()"
    code = f"from pathlib import Path; from groundup.core.files import locked\n{lock}"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Exception, match="another groundup process"):
            api.run(line / "recipe.yaml", line / "run")
        holder.kill()


def test_a_model_that_cannot_be_exported_is_refused_before_the_work(line: Path) -> None:
    recipe = load_recipe(line / "recipe.yaml", ["model.norm=layer"])
    with pytest.raises(ConfigError, match="until evaluate"):
        api.run(recipe, line / "unborn")
    assert not (line / "unborn" / "curate").exists()


def test_a_layout_makes_no_other_run_and_islands_do(line: Path) -> None:
    def key(*overrides: str) -> str:
        recipe = load_recipe(line / "recipe.yaml", overrides)
        return order_stage(find_stage("pretrain"), recipe, line_folders(line / "run")).key()

    assert key("parallel.dp=2", "parallel.zero=3") == key()
    apart = {key("parallel.dp=2", f"parallel.local_sgd={{islands: 2, inner_steps: {steps}}}") for steps in (2, 4)}
    assert len({key(), *apart}) == 3


def test_learning_rate_does_not_remake_the_plan(line: Path) -> None:
    recipe = load_recipe(line / "recipe.yaml", ["pretrain.optimizer.learning_rate=1e-3", "pretrain.keep_checkpoints=1"])
    steps = api.preview(recipe, line / "run", until="pretrain")
    assert steps["plan"] == "skip"
    there = line / "run" / "pretrain"
    aside = there.with_name(f"pretrain-{Artifact.open(there).manifest.key[:8]}")
    assert steps["pretrain"] == f"make; {there} is moved to {aside}"


@pytest.mark.parametrize(
    ("overrides", "until", "remake_from", "problem"),
    [
        (["curate.validation=0"], None, None, "curate.validation=0"),
        (["curate.validation=0", "pretrain.evaluate.every=9"], "pretrain", None, "evaluate.every=9 has no text to score"),
        (["curate.sources.0.path=RUN/curate"], None, None, "overlap"),
        (["curate.sources.0.path=RUN/.."], None, None, "overlap"),
        ([], "encode", "pretrain", "--from pretrain"),
        (["evaluate.stride=65"], None, None, r"evaluate\.stride=65 .* 64 tokens \(pretrain\.seq_len\)"),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_first(
    line: Path, overrides: list[str], until: str | None, remake_from: str | None, problem: str
) -> None:
    before = content_hashes(line / "run")
    overrides = [override.replace("RUN", str(line / "run")) for override in overrides]
    recipe = load_recipe(line / "recipe.yaml", overrides)
    for act in (api.preview, api.run):
        with pytest.raises(ConfigError, match=problem):
            act(recipe, line / "run", until, remake_from)
    assert content_hashes(line / "run") == before


def test_a_proof_that_cannot_be_made_is_said_first(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    for act in (api.preview, api.run):
        with pytest.raises(ConfigError, match=r"export\.verify=true .*groundup\[hf\].*export\.verify=false"):
            act(load_recipe(line / "recipe.yaml"), line / "unborn")
    assert not (line / "unborn").exists()
    unproven = load_recipe(line / "recipe.yaml", ["export.verify=false"])
    assert api.preview(unproven, line / "unborn")["export"].startswith("make")
    assert api.preview(load_recipe(line / "recipe.yaml"), line / "unborn", until="evaluate")


@pytest.mark.parametrize("key", ["evaluate", "pretrain.evaluate"])
def test_a_prompt_that_fills_the_model_is_refused_before_training(line: Path, tmp_path: Path, key: str) -> None:
    folder = tmp_path / "wordy"
    recipe = load_recipe(line / "recipe.yaml", [f"{key}.prompts=[{'def class import ' * 40}]"])
    with pytest.raises(ConfigError, match=rf"^{key}\.prompts: 'def class .* 64 \(pretrain\.seq_len\) leave room for at most 62"):
        api.run(recipe, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["curate", "tokenizer"]
    with pytest.raises(ConfigError, match=r"evaluate\.prompts"):
        api.preview(recipe, folder)
    assert api.preview(recipe, folder, until="pretrain" if key == "evaluate" else "plan")["tokenizer"] == "skip"


def test_preview_knows_what_is_made_anew(line: Path) -> None:
    steps = api.preview(load_recipe(line / "recipe.yaml"), line / "run", remake_from="evaluate")
    assert [verb for verb, step in steps.items() if step != "skip"] == ["evaluate", "export"]


def test_training_with_another_setting_keeps_the_earlier_run_and_brings_it_back(
    line: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = line / "compared"
    shutil.copytree(line / "run", folder)
    first = Artifact.open(folder / "pretrain")
    aside = folder / f"pretrain-{first.manifest.key[:8]}"
    recipe, other = line / "recipe.yaml", load_recipe(line / "recipe.yaml", ["pretrain.steps=20"])
    preview = api.preview(other, folder)
    assert (
        preview["pretrain"] == f"make, after plan; {folder / 'pretrain'} is moved aside, unless that turns out to be the same work"
    )
    assert api.run(other, folder, until="evaluate").made["pretrain"]
    assert f"{folder / 'pretrain'} is moved to {aside}" in capsys.readouterr().err.replace("\n", "")
    assert Artifact.open(aside).content_hash == first.content_hash
    assert find_checkpoint(aside).step == 30
    assert {node.name for node in api.show(folder).inputs} == set(VERBS)
    assert "plan" not in lineage_of(aside)
    api.run(recipe, folder, until="plan")
    assert "make; " in api.preview(load_recipe(recipe), folder)["pretrain"]
    assert not api.run(recipe, folder, until="evaluate").made["pretrain"]
    assert Artifact.open(folder / "pretrain").content_hash == first.content_hash
    assert not aside.exists()
    assert "30 steps" in (folder / "report.html").read_text()


def test_made_anew_on_demand_the_earlier_training_is_kept(line: Path) -> None:
    folder = line / "anew"
    shutil.copytree(line / "run", folder)
    assert "is moved to" in api.preview(load_recipe(line / "recipe.yaml"), folder, "pretrain", "pretrain")["pretrain"]
    assert api.run(line / "recipe.yaml", folder, until="pretrain", remake_from="pretrain").made["pretrain"]
    (aside,) = folder.glob("pretrain-*")
    assert Artifact.open(aside).content_hash == Artifact.open(folder / "pretrain").content_hash


@pytest.mark.parametrize("stage", ["curate", "evaluate"])
def test_files_of_others_in_the_way_of_any_stage_are_said_first(line: Path, stage: str) -> None:
    folder = line / f"taken-{stage}"
    (folder / stage).mkdir(parents=True)
    (folder / stage / "mine.txt").write_text("mine")
    for act in (api.preview, api.run):
        with pytest.raises(ArtifactError, match="not groundup's"):
            act(load_recipe(line / "recipe.yaml"), folder)
    assert sorted(path.name for path in folder.rglob("*")) == [stage, "mine.txt"]


def test_pretrain_by_force_starts_anew_and_says_so_before(line: Path) -> None:
    recipe, out = load_recipe(line / "recipe.yaml"), line / "forced"
    key = api.pretrain(recipe, out).manifest.key
    (out / "manifest.json").unlink()
    (out / INCOMPLETE).write_text(json.dumps({"kind": "training-run", "key": key}))
    shutil.rmtree(out / "checkpoints" / "step-30")
    assert api.preview_pretrain(recipe, out)["pretrain"] == "go on"
    assert api.preview_pretrain(recipe, out, force=True)["pretrain"] == "replace"
    api.pretrain(recipe, out)
    assert (out / "metrics.jsonl").read_text().count("resumed") == 1
    api.pretrain(recipe, out, force=True)
    assert (out / "metrics.jsonl").read_text().count("resumed") == 0
    other = load_recipe(line / "recipe.yaml", ["pretrain.optimizer.learning_rate=1e-3"])
    for act in (api.preview_pretrain, api.pretrain):
        with pytest.raises(ArtifactError, match=r"\(pretrain.optimizer.learning_rate null there, 0.001 here\); .*--force"):
            act(other, out)
        with pytest.raises(ConfigError, match="say one of them"):
            act(recipe, out, resume=True, force=True)


def test_a_damaged_manifest_and_a_changed_decision_are_remade_by_the_line(line: Path) -> None:
    folder = line / "mended"
    shutil.copytree(line / "run", folder)
    before = content_hashes(line / "run")
    (folder / "encode" / "manifest.json").write_text("{")
    plan = folder / "plan" / "plan.json"
    plan.write_text(plan.read_text().replace('"steps": 30', '"steps": 31'))
    made = api.run(line / "recipe.yaml", folder, until="pretrain").made
    assert [verb for verb, is_new in made.items() if is_new] == ["encode", "plan"]
    assert content_hashes(folder) == before


def test_a_lost_old_checkpoint_does_not_cost_the_training(line: Path) -> None:
    folder = line / "lost"
    shutil.copytree(line / "run", folder)
    before = checkpoint_hash(folder)
    newest = (folder / "pretrain" / "metrics.jsonl").read_bytes()
    shutil.rmtree(min((folder / "pretrain" / "checkpoints").glob("step-*"), key=lambda path: int(path.name.removeprefix("step-"))))
    assert api.run(line / "recipe.yaml", folder).made["pretrain"]
    assert checkpoint_hash(folder) == before
    assert (folder / "pretrain" / "metrics.jsonl").read_bytes() == newest
