"""Runs of a small real model into which faults are planted: healed, and the same whatever interrupts them."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import planted_faults as planted
from groundup.artifacts.checkpoint import Checkpoint
from groundup.core.errors import DivergedError, Stopped, StorageError
from groundup.train.healing.config import HealingConfig
from planted_faults import FAULTS, FaultyRun, Setting, Text, in_bytes, told

CLOSE = 1.005  # healed against clean, held-out loss
QUICK = HealingConfig(window=24, skips=2, calm_steps=6, rollbacks=20, loss_threshold=2.5, loss_floor=0.005, drift_threshold=1)
"""Far too strict for healthy runs: much happens in few steps."""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    return planted.real_text(tmp_path_factory.mktemp("text"), 500_000)


@pytest.fixture(scope="module")
def texts(text: Text, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Setting], Text]:
    @functools.cache
    def of(setting: Setting) -> Text:
        return text if setting is planted.SHORT else planted.real_text(tmp_path_factory.mktemp("long"), 3_000_000)

    return of


@pytest.fixture(scope="module")
def clean_loss(texts: Callable[[Setting], Text], tmp_path_factory: pytest.TempPathFactory) -> Callable[[Setting], float]:
    @functools.cache
    def measure(setting: Setting) -> float:
        run = FaultyRun(texts(setting), tmp_path_factory.mktemp("clean") / "run", setting).go()
        assert run.events() == []
        return run.held_out_loss()

    return measure


def plant(fault: str, text: Text, folder: Path, setting: Setting, healing: HealingConfig | None = None) -> FaultyRun:
    run = FaultyRun(text, folder / fault, setting, *([healing] if healing else []))
    return FAULTS[fault](run, folder / f"{fault}-shards")


def assert_whole(run: FaultyRun) -> None:
    """Assert that metrics have each step once, and that what happened is told with places in the data."""
    rows, reader = run.rows(), run.reader()
    assert [row["step"] for row in rows] == list(range(1, run.setting.steps + 1))
    assert run.events()
    for event in run.events():
        first, end = event["places"]
        assert end - first == planted.ROWS
        assert event["windows"] == reader.windows(range(first, end))
        assert event["why"]
        if event["event"] == "rollback":
            assert event["to_step"] % run.setting.every == 0
            assert event["to_step"] < event["step"]
            assert event["passed_over"][1] >= end


@pytest.mark.parametrize(
    ("fault", "setting"),
    [
        *((fault, planted.SHORT) for fault in ("random", "burst")),
        *(pytest.param(fault, planted.LONG, marks=pytest.mark.soak) for fault in FAULTS),
    ],
)
def test_a_fault_late_in_the_run_is_healed(fault: str, setting: Setting, texts, clean_loss, tmp_path: Path) -> None:
    assert 0.8 * setting.steps <= setting.first
    assert setting.last <= 0.9 * setting.steps
    assert setting.last - setting.first >= 0.05 * setting.steps
    run = plant(fault, texts(setting), tmp_path, setting).go()
    assert_whole(run)
    assert {event["event"] for event in run.events()} >= ({"rollback"} if fault == "burst" else {"skip", "rollback"})
    assert run.held_out_loss() <= CLOSE * clean_loss(setting)


@pytest.mark.parametrize(
    ("fault", "setting"),
    [("random", planted.SHORT), *(pytest.param(fault, planted.LONG, marks=pytest.mark.soak) for fault in FAULTS)],
)
def test_without_healing_it_is_not(fault: str, setting: Setting, texts, clean_loss, tmp_path: Path) -> None:
    run = plant(fault, texts(setting), tmp_path, setting).unhealed()
    if fault == "nan":
        with pytest.raises(DivergedError, match="loss nan"):
            run.go()
        return
    assert run.go().held_out_loss() > CLOSE * clean_loss(setting)
    assert run.events() == []


def saved(run: FaultyRun) -> list[str]:
    return sorted(path.name for path in (run.out / "checkpoints").glob("step-*"))


def attempts_of(run: FaultyRun) -> int:
    """Return how many batches the run met, those of steps that were taken back and taken again included."""
    backs = [event for event in run.events() if event["event"] == "rollback"]
    return run.setting.steps + len(run.events()) + sum(event["step"] - 1 - event["to_step"] for event in backs)


@pytest.mark.parametrize(
    "fault", ["burst", *(pytest.param(fault, marks=pytest.mark.soak) for fault in ("random", "constant", "nan"))]
)
def test_healing_is_the_same_whatever_interrupts_it(fault: str, text: Text, tmp_path: Path) -> None:
    whole = plant(fault, text, tmp_path, planted.TINY, QUICK).go()
    again = replace(whole, out=tmp_path / "again").go()
    assert in_bytes(again) == in_bytes(whole)
    assert told(again) == told(whole)
    assert "rollback" in {event["event"] for event in whole.events()}
    last, first = attempts_of(whole), planted.TINY.first
    crashed = replace(whole, out=tmp_path / "crashed")
    for attempts in range(first, last, 10):  # each from the newest checkpoint on, so most meet the trouble itself
        run = replace(crashed, attempts=attempts if attempts == first else 1 + attempts % 11)
        with pytest.raises(StorageError, match="planted"):
            run.go()
    assert in_bytes(crashed.go()) == in_bytes(whole)
    assert told(crashed) == told(whole)
    stopped = replace(whole, out=tmp_path / "stopped")
    for at in (first, 3, 2, 1, 1, 4):
        with pytest.raises(Stopped, match="SIGTERM"):
            replace(stopped, signal_at=at).go()
    assert in_bytes(stopped.go()) == in_bytes(whole)
    assert told(stopped) == told(whole)
    assert_whole(stopped)
    assert saved(stopped) == saved(crashed) == saved(whole)


def test_a_damaged_checkpoint_to_go_back_to_is_passed_over(text: Text, tmp_path: Path) -> None:
    run = plant("nan", text, tmp_path, planted.TINY, QUICK)
    with pytest.raises(StorageError, match="planted"):
        replace(run, attempts=planted.TINY.first + 1).go()
    newest, before = (run.out / "checkpoints" / f"step-{step}" for step in (42, 36))
    assert newest.is_dir()
    (before / "model.safetensors").write_bytes(b"short")
    run.go()
    assert {event["to_step"] for event in run.events() if "to_step" in event} == {42}


def test_nothing_to_go_back_to_ends_the_run(text: Text, tmp_path: Path) -> None:
    run = plant("nan", text, tmp_path, replace(planted.TINY, every=1000), QUICK)
    with pytest.raises(DivergedError, match=r"step 46: loss nan.*diverged.*no checkpoint was saved before"):
        run.go()


def test_the_end_of_the_ladder_names_the_last_good_checkpoint(text: Text, tmp_path: Path) -> None:
    patience = QUICK.model_copy(update={"rollbacks": 1})
    run = plant("nan", text, tmp_path, replace(planted.TINY, last=10_000), patience)
    with pytest.raises(DivergedError, match=r"after going back 1 times?; .*last good checkpoint is .*step-36$"):
        run.go()
    assert not Checkpoint.open(run.out / "checkpoints" / "step-36").damaged_files()
