"""A kill or a full disk at any moment costs time only: the same command ends in the same hashes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import commands
from groundup import api
from groundup.artifacts.build import make
from groundup.core.errors import ArtifactError
from groundup.pipeline import find_stage, line_folders, order_stage
from groundup.recipe import load_recipe
from lines import checkpoint_hash, content_hashes, write_recipe


def words(folder: Path, out: Path) -> list[str]:
    return ["run", str(folder / "recipe.yaml"), "--out", str(out), "--quiet"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return the folder of an undisturbed run, and the seconds it took."""
    folder = tmp_path_factory.mktemp("kills")
    pretrain = {"seq_len": 64, "batch_tokens": 512, "steps": 120, "checkpoint_steps": 10, "precision": "fp32", "attention": "sdpa"}
    pretrain["storage_patience_s"] = 0
    write_recipe(folder, pretrain=pretrain)
    commands.groundup("--help")  # the first command waits for what starts all
    start_s = time.monotonic()
    done = commands.groundup(*words(folder, folder / "clean"))
    assert done.returncode == 0, done.stderr
    return folder, time.monotonic() - start_s


def run_with_kills(folder: Path, out: Path, moments_s: list[float]) -> int:
    """Start the line anew after each kill; return how many kills met a process that was still at work."""
    met = 0
    for moment_s in moments_s:
        process = commands.start(*words(folder, out))
        try:
            process.wait(moment_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            met += 1
        process.ended()
    done = commands.groundup(*words(folder, out))
    assert done.returncode == 0, done.stderr
    return met


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_kills_at_random_moments(clean: tuple[Path, float], kills: int) -> None:
    folder, whole_s = clean
    chance = random.Random(kills)
    # Work that is done is not done again, so what is left shrinks: each kill falls anywhere in a share of the whole.
    shares = [chance.uniform(0.2, 0.8) for _ in range(kills)]
    for halving in range(5):  # the machine may have been slower when the whole was timed
        out = folder / f"killed-{kills}-{halving}"
        met = run_with_kills(folder, out, [share * whole_s / 2**halving for share in shares])
        if met:
            break
    assert met >= 1
    assert content_hashes(out) == content_hashes(folder / "clean")
    assert checkpoint_hash(out) == checkpoint_hash(folder / "clean")


def in_small_disk(folder: Path, mount: Path, megabytes: int) -> list[str] | None:
    """Return a command that runs the line on a disk of that size, then again with room; None if mounting is not allowed here."""
    if shutil.which("unshare") is None:
        return None
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mounting = f"mount -t tmpfs -o size={megabytes}m tmpfs {mount}"
    if subprocess.run([*inside, mounting], capture_output=True, check=False).returncode:
        return None
    line = " ".join([sys.executable, "-m", "groundup", *words(folder, mount / "run")])
    more_room = f"mount -o remount,size=500m {mount}"
    steps = [mounting, line, "echo first=$?", more_room, line, "echo second=$?", f"cp -r {mount}/run {folder}/from-small-disk"]
    return [*inside, "; ".join(steps)]


@pytest.mark.parametrize("megabytes", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_full_disk_is_told_and_mended_by_room(clean: tuple[Path, float], tmp_path: Path, megabytes: int) -> None:
    folder, _ = clean
    command = in_small_disk(folder, tmp_path, megabytes)
    if command is None:
        pytest.skip("mounting a small disk in a namespace is not allowed here")
    shutil.rmtree(folder / "from-small-disk", ignore_errors=True)
    done = subprocess.run(command, env=commands.ENV, capture_output=True, text=True, check=False)
    assert "first=2" in done.stdout, done.stderr
    assert "second=0" in done.stdout, done.stderr
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert content_hashes(folder / "from-small-disk") == content_hashes(folder / "clean")


def test_tokenizer_of_another_line_is_refused(clean: tuple[Path, float], tmp_path: Path) -> None:
    folder, _ = clean
    shutil.copytree(folder / "clean", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "pretrain")
    api.train_tokenizer(tmp_path / "run" / "curate", tmp_path / "run" / "tokenizer", vocab_size=300, force=True)
    stage, recipe = find_stage("pretrain"), load_recipe(folder / "recipe.yaml")
    order = order_stage(stage, recipe, line_folders(tmp_path / "run"))
    with pytest.raises(ArtifactError, match="made by tokenizer"):
        make(order, stage.run, replace=False)
