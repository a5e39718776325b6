"""The commands as users type them: data on stdout, clear errors, exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import ENV, groundup, start
from groundup.artifacts.place import INCOMPLETE
from groundup.recipe import SHIPPED, load_recipe
from lines import content_hashes, write_recipe


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    done = groundup("run", write_recipe(folder), "--out", folder / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["evaluation"]["bits_per_byte"] > 0
    return folder


def test_json_is_alone_on_stdout_and_quiet_is_quiet(line: Path) -> None:
    done = groundup("run", line / "recipe.yaml", "--out", line / "run", "--json", "--quiet")
    assert not any(json.loads(done.stdout)["made"].values())
    assert done.stderr == ""


@pytest.mark.parametrize("what", ["run", "run/pretrain", "run/curate", "run/export"])
def test_show_leads_back_to_the_sources(line: Path, what: str) -> None:
    done = groundup("show", line / what, "--json")
    assert done.returncode == 0, done.stderr
    assert "argparse.txt" in done.stdout


def test_show_verify_finds_damage(line: Path) -> None:
    copy = line / "damaged"
    shutil.copytree(line / "run" / "tokenizer", copy / "tokenizer")
    shutil.copytree(line / "run" / "curate", copy / "curate")
    file = copy / "tokenizer" / "tokenizer.json"
    file.write_bytes(file.read_bytes().replace(b"BPE", b"BPF", 1))
    done = groundup("show", copy / "tokenizer", "--verify")
    assert done.returncode == 2
    assert "tokenizer.json" in done.stdout


def test_explain_curate_tokenizer_encode_plan_one_by_one(line: Path) -> None:
    steps = (
        ("curate", "--input", line / "texts", "--rules", "none", "--validation", "0.2", "--out", line / "c"),
        ("tokenizer", "train", "--input", line / "c", "--vocab-size", "512", "--out", line / "t"),
        ("encode", "--input", line / "c", "--tokenizer", line / "t", "--out", line / "e"),
        ("plan", "recipe", line / "recipe.yaml", "--input", line / "e", "--out", line / "p"),
        ("evaluate", line / "run", "--text", line / "texts" / "random.txt"),
        ("generate", line / "run", "--prompt", "def f(", "--greedy"),
        ("export", line / "run", "--out", line / "x"),
        ("report", line / "run", "--out", line / "page.html"),
        ("doctor",),
    )
    for words in steps:
        done = groundup(*words, "--json")
        assert done.returncode == 0, (words, done.stderr)
        assert json.loads(done.stdout)
    mixed = ("--recipe", line / "recipe.yaml", "--set", "encode.mix={temperature: 1, tokens: 1000}", "--out", line / "m")
    done = groundup("encode", "--input", line / "c", "--tokenizer", line / "t", *mixed, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mix"]["tokens"] == 1000
    kept = groundup("explain", line / "c", "texts:random.txt")
    assert kept.returncode == 0, kept.stderr


def test_dry_run_makes_nothing(line: Path) -> None:
    done = groundup("curate", "--input", line / "texts", "--out", line / "none", "--dry-run", "--json")
    assert json.loads(done.stdout)["action"] == "make"
    assert json.loads(done.stdout)["forecast"]["elapsed_s"] > 0
    assert not (line / "none").exists()
    done = groundup("run", line / "recipe.yaml", "--out", line / "none", "--dry-run", "--json")
    assert json.loads(done.stdout)["stages"]["curate"] == "make"
    assert not (line / "none").exists()


def test_out_in_use_is_refused_and_force_replaces(line: Path) -> None:
    words = ("tokenizer", "train", "--input", line / "run" / "curate", "--out", line / "mine")
    assert groundup(*words, "--vocab-size", "400").returncode == 0
    refused = groundup(*words, "--vocab-size", "401")
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    assert groundup(*words, "--vocab-size", "401", "--force").returncode == 0


def test_dry_run_refuses_what_the_real_run_would(line: Path) -> None:
    mine = line / "not-groundups"
    mine.mkdir()
    (mine / "mine.txt").write_text("mine")
    docs, tokens = line / "run" / "curate", line / "run" / "tokenizer"
    for words in (
        ("tokenizer", "train", "--input", docs, "--out", mine),
        ("tokenizer", "train", "--input", docs, "--out", mine, "--force"),
        ("tokenizer", "train", "--input", docs, "--vocab-size", "333", "--out", tokens),
        ("encode", "--input", docs, "--tokenizer", tokens, "--out", tokens, "--force"),
        ("pretrain", line / "recipe.yaml", "--out", mine),
        ("pretrain", line / "recipe.yaml", "--out", line / "unborn", "--resume"),
    ):
        dry, real = groundup(*words, "--dry-run"), groundup(*words)
        assert (dry.returncode, real.returncode) == (2, 2), dry.stderr + real.stderr
        assert dry.stderr == real.stderr.splitlines(keepends=True)[-1]
    assert [path.name for path in mine.iterdir()] == ["mine.txt"]
    replaced = groundup("tokenizer", "train", "--input", docs, "--vocab-size", "333", "--out", tokens, "--force", "--dry-run")
    assert replaced.stdout == f"would replace {tokens}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "missing.yaml"], "groundup new"),
        (["run", "R", "--set", "pretrain.sep_len=3"], "did you mean 'seq_len'"),
        (["run", "R", "--until", "tokeniser"], "did you mean 'tokenizer'"),
        (["run", "R", "--set", "model.num_heads=3"], "not a multiple"),
        (["run", "R", "--set", "device=cuda", "--out", "O"], "cuda"),
        (["curate", "--out", "O"], "--input"),
        (["curate", "--input", "missing", "--out", "O"], "missing"),
        (["curate", "--input", "R", "--out", "O", "--format", "pdf"], "pdf"),
        (["curate", "--input", "R", "--out", "O", "--rules", "gopher"], "gopher"),
        (["curate", "--input", "R", "--out", "O", "--set", "encode.mix=null"], "only keys of curate have an effect"),
        (["show", "missing"], "missing"),
        (["explain", "missing", "x"], "missing"),
        (["evaluate", "missing", "--text", "R"], "missing"),
        (["evaluate", "missing"], "say what to score"),
        (["evaluate", "missing", "--text", "R", "--scratch"], "--scratch: no effect without --tasks"),
        (["evaluate", "missing", "--tasks", "R"], "missing"),
        (["generate", "missing", "--prompt", "x"], "missing"),
        (["export", "missing", "--out", "O"], "missing"),
        (["pretrain", "R", "--out", "O", "--resume"], "nothing to resume"),
        (["encode", "--input", "missing", "--tokenizer", "missing", "--out", "O"], "missing"),
        (["encode", "--input", "x", "--tokenizer", "x", "--out", "O", "--set", "encode.mix=null"], "no effect without --recipe"),
        (["new", "R", "--from", "demo"], "demo_cpu"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_words_exit_2_and_say_the_way_out(tmp_path: Path, words: list[str], says: str) -> None:
    recipe = write_recipe(tmp_path)
    done = groundup(*[{"R": str(recipe), "O": str(tmp_path / "out")}.get(word, word) for word in words], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_new_recipe_runs(tmp_path: Path) -> None:
    assert groundup("new", "my-model", cwd=tmp_path).returncode == 0
    assert (tmp_path / "my-model.yaml").read_text().count("\n") == (SHIPPED / "demo_cpu.yaml").read_text().count("\n")
    assert groundup("run", "my-model.yaml", "--dry-run", cwd=tmp_path).returncode == 0
    assert groundup("new", "my-model", cwd=tmp_path).returncode == 2


def test_ctrl_c_exits_3_and_the_same_command_finishes(line: Path) -> None:
    words = ("run", line / "recipe.yaml", "--set", "pretrain.steps=400", "--until", "pretrain", "--quiet", "--out")
    fresh = [sys.executable, "-m", "groundup", *map(str, words), str(line / "stopped")]
    with subprocess.Popen(fresh, stderr=subprocess.PIPE, text=True, env=ENV) as process:
        while process.poll() is None and not (line / "stopped" / "pretrain" / "checkpoints").is_dir():
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "same command" in said
    assert groundup(*words, line / "stopped").returncode == 0
    assert groundup(*words, line / "whole").returncode == 0
    assert content_hashes(line / "stopped") == content_hashes(line / "whole")


@pytest.mark.parametrize("stage", ["plan", "evaluate"])
def test_sigterm_outside_training_ends_with_a_word_and_leaves_nothing_running(line: Path, stage: str) -> None:
    out = line / f"ended-in-{stage}"
    words = ("run", line / "recipe.yaml", "--out", out, "--quiet")
    process = start(*words)
    while process.poll() is None and not (out / stage / INCOMPLETE).is_file():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    done = process.ended()
    assert done.returncode == 3, done.stderr
    assert "stopped on request; the same command goes on" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert groundup(*words).returncode == 0
    assert content_hashes(out) == content_hashes(line / "run")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signals_end_with_a_word_wherever_they_come(name: str) -> None:
    inside = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    attentive = f"import signal; signal.signal(signal.{name}, signal.SIG_DFL)"  # whoever runs the tests may ignore the signal
    code = f"{attentive}; from groundup import cli; cli.app = lambda: exec({inside!r}); cli.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=ENV)
    assert (done.returncode, done.stderr) == (3, "stopped on request; the same command goes on from what is finished\n")


def test_names_are_no_markup_and_line_numbers_no_emoji(line: Path) -> None:
    odd = line / "a[/red] [bold]b:smile:"
    for _ in range(2):
        done = groundup("curate", "--input", line / "texts", "--rules", "none", "--validation", "0.2", "--out", odd)
        assert done.returncode == 0, done.stderr
        assert str(odd) in done.stdout
    assert str(odd) in done.stderr
    (line / "list.jsonl").write_text("\n" * 99 + "[1]\n")
    done = groundup("curate", "--input", line / "list.jsonl", "--out", line / "nothing")
    assert done.returncode == 2
    assert "list.jsonl:100: " in done.stderr


def test_names_of_every_script_and_twice_the_same_are_sources(line: Path) -> None:
    folders = [line / "тексты", line / "a-2", line / "x" / "a", line / "y" / "a"]
    for number, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / "eins.txt").write_text(f"a text of its own, number {number}")
    inputs = [word for folder in folders for word in ("--input", folder)]
    done = groundup("curate", *inputs, "--rules", "none", "--validation", "0", "--out", line / "named", "--json")
    assert done.returncode == 0, done.stderr
    assert [source["name"] for source in json.loads(done.stdout)["by_source"]] == ["text", "a-2", "a", "a-3"]


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such names")
def test_names_that_are_not_utf8_are_recorded_or_refused(line: Path) -> None:
    odd = os.fsdecode(b"odd\xff")
    folder = line / "oddly"
    folder.mkdir()
    (folder / f"{odd}.txt").write_text("text")
    (folder / f"{odd}2.txt").write_bytes(b"\0")
    (folder / f"{odd}.md").write_text("more text")
    done = groundup("curate", "--input", folder, "--rules", "none", "--out", line / "oddly-out")
    assert done.returncode == 0, done.stderr
    for words in (("--input", folder / f"{odd}.txt", "--out", line / "o"), ("--input", folder, "--out", line / odd)):
        done = groundup("curate", *words, "--rules", "none")
        assert done.returncode == 2, done.stderr
        assert "not UTF-8" in done.stderr
    done = groundup("generate", line / "run", "--prompt", odd)
    assert done.returncode == 2, done.stderr


@pytest.mark.parametrize("name", ["a: b", "2024", "yes"])
def test_new_recipes_are_named_as_asked_or_refused(tmp_path: Path, name: str) -> None:
    done = groundup("new", name, cwd=tmp_path)
    assert done.returncode == (2 if " " in name else 0), done.stderr
    if not done.returncode:
        assert load_recipe(tmp_path / f"{name}.yaml").name == name


def test_pretrain_needs_a_folder_with_a_name(line: Path) -> None:
    done = groundup("pretrain", line / "recipe.yaml", "--out", ".", cwd=line)
    assert done.returncode == 2, done.stderr
    assert "NAME.inputs" in done.stderr


def test_preflight_checks_and_the_training_it_checked_begins(line: Path) -> None:
    words = (line / "recipe.yaml", "--out", line / "checked")
    done = groundup("preflight", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert all(check["passed"] for check in json.loads(done.stdout)["checks"])
    assert not (line / "checked").exists()
    assert groundup("pretrain", *words, "--json").returncode == 0
    assert groundup("preflight", line / "recipe.yaml", "--out", line).returncode == 2, "a folder of other files"


def test_preflight_of_a_run_of_the_line_looks_at_its_own_plan(line: Path) -> None:
    run = line / "run"
    before = content_hashes(run)
    done = groundup("preflight", line / "recipe.yaml", "--out", run)
    assert done.returncode == 0, done.stderr
    assert "'groundup run " in done.stdout
    assert content_hashes(run) == before
    assert not (line / "run.inputs").exists()
    checks = json.loads((run / "preflight.json").read_text())["checks"]
    assert all(check["passed"] for check in checks)
    (run / "preflight.json").unlink()


def test_damaged_documents_are_named_by_every_command_that_reads_them(line: Path) -> None:
    damaged = line / "damaged-documents"
    shutil.copytree(line / "run" / "curate", damaged)
    for file in (damaged / "documents").iterdir():
        file.write_bytes(b"?" * file.stat().st_size)
    for words in (
        ("explain", damaged, "own:argparse.txt"),
        ("tokenizer", "train", "--input", damaged, "--out", line / "t2"),
        ("encode", "--input", damaged, "--tokenizer", line / "run" / "tokenizer", "--out", line / "e2"),
    ):
        done = groundup(*words)
        assert done.returncode == 2, done.stderr
        assert "not readable as Parquet" in done.stderr


def test_options_that_a_recipe_overrules_are_refused(line: Path) -> None:
    words = ("curate", "--recipe", line / "recipe.yaml", "--validation", "0.3", "--seed", "0", "--out", line / "never")
    done = groundup(*words)
    assert done.returncode == 2, done.stderr
    assert "--validation, --seed: no effect beside --recipe" in done.stderr


def test_what_greedy_leaves_without_effect_is_refused(line: Path) -> None:
    for words in (("--greedy", "--temperature", "0.7"), ("--greedy", "--top-p", "0.95"), ("--temperature", "0", "--top-k", "5")):
        done = groundup("generate", line / "run", "--prompt", "def f(", *words)
        assert done.returncode == 2, done.stderr
        assert "would have no effect" in done.stderr


def test_several_prompts_are_decoded_together(line: Path) -> None:
    words = ("generate", line / "run", "--prompt", "def f(", "--prompt", "import", "--greedy", "--max-new-tokens", "5")
    found = json.loads(groundup(*words, "--json").stdout)["texts"]
    assert [each["prompt"] for each in found] == ["def f(", "import"]
    assert groundup(*words).stdout == "".join(each["prompt"] + each["text"] + "\n" for each in found)
