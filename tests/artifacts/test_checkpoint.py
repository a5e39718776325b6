from pathlib import Path

import pytest

from builders import build
from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.checkpoint import Checkpoint, TrainingRun, checkpoint_folders, find_checkpoint
from groundup.core.config import Config
from groundup.core.errors import ArtifactError


def checkpoint(out: Path, step: int) -> Checkpoint:
    out.parent.mkdir(parents=True, exist_ok=True)
    return build(Checkpoint, out, lambda config, job: Outcome({"step": step}))


def test_finds_the_newest_whole_one(tmp_path: Path) -> None:
    for step in (9, 10, 2):
        checkpoint(tmp_path / "pretrain" / "checkpoints" / f"step-{step}", step)
    (tmp_path / "pretrain" / "checkpoints" / "step-11").mkdir()
    (tmp_path / "pretrain" / "checkpoints" / "step-best").mkdir()
    for path in (tmp_path, tmp_path / "pretrain", tmp_path / "pretrain" / "checkpoints" / "step-10"):
        assert find_checkpoint(path).step == 10
    names = [folder.name for folder in checkpoint_folders(tmp_path / "pretrain" / "checkpoints")]
    assert names == ["step-2", "step-9", "step-10", "step-11"]


def test_finds_that_of_a_finished_run(tmp_path: Path) -> None:
    def run(config: Config, job: Job) -> Outcome:
        checkpoint(job.out / "checkpoints" / "step-7", 7)
        return Outcome({"steps": 7}, frozenset({"checkpoints/step-7/manifest.json"}))

    assert build(TrainingRun, tmp_path / "run", run).final.step == 7
    assert find_checkpoint(tmp_path / "run").step == 7


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="neither a checkpoint nor a folder with checkpoints"):
        find_checkpoint(tmp_path)


def test_the_best_one_has_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "pretrain" / "checkpoints"
    for step in (3, 6):
        checkpoint(folder / f"step-{step}", step)
    with pytest.raises(ArtifactError, match=r"no best\.json says which checkpoint is the best: .*pretrain\.evaluate"):
        find_checkpoint(tmp_path / "best")
    (folder / "best.json").write_text('{"step": 3, "loss": 2.5}')
    for path in (tmp_path, tmp_path / "pretrain", folder):
        assert find_checkpoint(path / "best").step == 3
    assert find_checkpoint(tmp_path).step == 6
    (folder / "best.json").write_text('{"step": "../../step-3"}')
    with pytest.raises(ArtifactError):
        find_checkpoint(tmp_path / "best")
