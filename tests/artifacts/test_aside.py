"""Work of hours is moved aside where other work would replace it, and comes back when it is asked for again."""

from pathlib import Path

import pytest

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.aside import is_aside, moves
from groundup.artifacts.build import Job, Order, Outcome, is_made, make, seal
from groundup.artifacts.manifest import MANIFEST, read_manifest
from groundup.core.config import Config
from groundup.core.errors import ArtifactError


class Setting(Config):
    rate: int


def order(out: Path, rate: int, resumable: bool = True) -> Order:
    return Order("pretrain", "training-run", out, Setting(rate=rate), seed=0, resumable=resumable)


def train(config: Setting, job: Job) -> Outcome:
    (job.out / "metrics.txt").write_text(str(config.rate))
    return Outcome()


def stopped(config: Setting, job: Job) -> Outcome:
    """Leave one finished checkpoint."""
    folder = job.out / "checkpoints" / "step-1"
    folder.mkdir(parents=True)
    seal(Order("pretrain", "checkpoint", folder, config, 0), Outcome({"step": 1}))
    raise KeyboardInterrupt


def stopped_early(config: Setting, job: Job) -> Outcome:
    (job.out / "metrics.txt").write_text("nothing was saved")
    raise KeyboardInterrupt


def walk(wanted: Order, remake: bool = False) -> list[str]:
    """Do as the line does, and return the names of what was moved, from and to."""
    found = moves(wanted, remake)
    for move in found:
        move.carry_out()
    make(wanted, train, replace=True, remake=remake)
    return [f"{move.source.name} > {move.target.name}" for move in found]


@pytest.mark.parametrize("first", [train, stopped])
def test_other_work_goes_aside_and_comes_back(tmp_path: Path, first: object) -> None:
    out = tmp_path / "pretrain"
    a, b = order(out, 1), order(out, 2)
    aside_a, aside_b = f"pretrain-{a.key()[:8]}", f"pretrain-{b.key()[:8]}"
    if first is train:
        make(a, train, replace=True)
    else:
        with pytest.raises(KeyboardInterrupt):
            make(a, stopped, replace=True)
    assert walk(b) == [f"pretrain > {aside_a}"]
    assert (out / "metrics.txt").read_text() == "2"
    assert (tmp_path / aside_a / "checkpoints").is_dir() == (first is stopped)
    assert walk(a) == [f"pretrain > {aside_b}", f"{aside_a} > pretrain"]
    assert (out / "checkpoints").is_dir() == (first is stopped)
    assert is_made(a)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["pretrain", aside_b])


def test_the_same_work_stays_and_goes_on(tmp_path: Path) -> None:
    wanted = order(tmp_path / "pretrain", 1)
    with pytest.raises(KeyboardInterrupt):
        make(wanted, stopped, replace=True)
    assert walk(wanted) == []
    assert (tmp_path / "pretrain" / "checkpoints").is_dir()
    assert walk(wanted) == []


def test_made_anew_the_same_work_goes_aside_under_a_number_if_need_be(tmp_path: Path) -> None:
    wanted = order(tmp_path / "pretrain", 1)
    name = f"pretrain-{wanted.key()[:8]}"
    make(wanted, train, replace=True)
    assert walk(wanted, remake=True) == [f"pretrain > {name}"]
    assert walk(wanted, remake=True) == [f"pretrain > {name}-2"]
    assert is_aside(tmp_path / f"{name}-2", read_manifest(tmp_path / f"{name}-2"))
    assert not is_aside(tmp_path / "pretrain", read_manifest(tmp_path / "pretrain"))


def test_of_two_the_finished_one_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "pretrain"
    a, b = order(out, 1), order(out, 2)
    name = f"pretrain-{a.key()[:8]}"
    with pytest.raises(KeyboardInterrupt):
        make(a, stopped, replace=True)
    walk(a, remake=True)
    assert walk(b) == [f"pretrain > {name}-2"]
    assert walk(a)[1] == f"{name}-2 > pretrain"


def test_work_with_nothing_saved_is_no_loss(tmp_path: Path) -> None:
    out = tmp_path / "pretrain"
    a, b = order(out, 1), order(out, 2)
    make(a, train, replace=True)
    walk(b)
    with pytest.raises(KeyboardInterrupt):
        make(order(out, 3), stopped_early, replace=True, remake=True)
    assert [move.target.name for move in moves(order(out, 4), remake=False)] == []
    assert walk(a) == [f"pretrain-{a.key()[:8]} > pretrain"]
    assert is_made(a)


def test_a_damaged_manifest_goes_aside_under_that_name(tmp_path: Path) -> None:
    wanted = order(tmp_path / "pretrain", 1)
    make(wanted, train, replace=True)
    (tmp_path / "pretrain" / MANIFEST).write_text("{")
    assert walk(wanted) == ["pretrain > pretrain-damaged"]
    assert (tmp_path / "pretrain-damaged" / "metrics.txt").is_file()


def test_cheap_work_is_replaced_in_its_place(tmp_path: Path) -> None:
    make(order(tmp_path / "plan", 1, resumable=False), train, replace=True)
    assert walk(order(tmp_path / "plan", 2, resumable=False)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_paths_to_inputs_stay_true(tmp_path: Path) -> None:
    make(order(tmp_path / "plan", 0, resumable=False), train, replace=True)
    plan = Artifact.open(tmp_path / "plan")
    make(Order("pretrain", "training-run", tmp_path / "pretrain", Setting(rate=1), 0, inputs={"plan": plan}), train, replace=True)
    walk(order(tmp_path / "pretrain", 2))
    (aside,) = tmp_path.glob("pretrain-*")
    assert (aside / read_manifest(aside).inputs["plan"].path).resolve() == plan.path.resolve()


def test_files_of_others_are_not_moved(tmp_path: Path) -> None:
    (tmp_path / "pretrain").mkdir()
    (tmp_path / "pretrain" / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="not groundup's"):
        moves(order(tmp_path / "pretrain", 1), remake=True)
