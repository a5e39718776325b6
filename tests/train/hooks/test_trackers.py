"""Trackers: each step reaches the tool once, and nothing of the tool reaches the run."""

import importlib.util
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.train.hooks import tracking as tracking_module
from groundup.train.hooks.config import PACKAGES, TrackerName, check_trackers
from groundup.train.hooks.trackers.table import TRACKERS, open_tracker
from groundup.train.hooks.trackers.tracker import Place, Tracker, Values
from groundup.train.hooks.tracking import Tracking, new_place, values_of

SCORES = [{"step": 4, "loss": 2.5, "bits_per_byte": 1.5, "by_source": {"a": {"loss": 2.25}}, "samples": []}]
needs = {
    name: pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"needs {package}: pip install 'groundup[{name}]'")
    for name, package in PACKAGES.items()
}


def row_of(step: int, loss: float | None = None, of: int = 9) -> dict[str, Any]:
    return {
        "step": step,
        "tokens": 64 * step,
        "loss": loss or 1 / step,
        "step_s": 0.1,
        "lr": 1e-3,
        "update_ratio": None,
        "last": step == of,
    }


class Run:
    """A run's metrics, as a process after another writes them and tells the tracker."""

    def __init__(self, folder: Path, name: TrackerName = "tensorboard", clock: Callable[[], float] = lambda: 0.0) -> None:
        self.metrics, self.folder, self.name, self.clock = folder / "metrics.jsonl", folder / "trackers", name, clock
        self.rows: list[dict[str, Any]] = []

    def go(self, first: int, last: int, close: bool = True, **changes: Any) -> "Run":
        place = new_place(self.folder, "try", {"seq_len": 16, "optimizer": {"name": "adamw"}})
        hook = Tracking(self.name, place, self.metrics, lambda: SCORES, self.clock)
        for step in range(first, last + 1):
            self.rows = [*(row for row in self.rows if row["step"] < step), row_of(step, **changes)]
            self.metrics.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
            assert hook(self.rows[-1]) is None
        if close:
            hook.close()
        return self


class Recorder(Tracker):
    """Remembers what it was sent, over all openings."""

    sent: list[Values]
    places: list[Place]

    def __init__(self, place: Place) -> None:
        type(self).places.append(place)

    def send(self, rows: Sequence[Values]) -> None:
        type(self).sent += rows

    def close(self) -> None:
        pass


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> type[Recorder]:
    Recorder.sent, Recorder.places = [], []
    monkeypatch.setattr(tracking_module, "open_tracker", lambda _, place: Recorder(place))
    return Recorder


def test_the_table_is_that_of_the_settings() -> None:
    assert set(TRACKERS) == set(get_args(TrackerName)) == set(PACKAGES)


def test_each_step_is_sent_once_whatever_comes_again(recorder: type[Recorder], tmp_path: Path) -> None:
    run = Run(tmp_path).go(1, 4).go(5, 6, close=False)  # the second is killed before it sends
    run.go(3, 4, close=False, loss=9.0).go(5, 7, loss=7.0)  # from the checkpoint of step 2, then of step 4
    run.go(6, 9)
    assert [step for step, _ in recorder.sent] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert recorder.sent[4][1]["train/loss"] == 7.0
    assert len({place.id for place in recorder.places}) == 1
    assert [place.first_step for place in recorder.places] == [1, 5, 5, 5, 8]


def test_a_tracker_that_comes_later_is_told_all(recorder: type[Recorder], tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.rows = [row_of(step) for step in range(1, 6)]
    run.go(6, 6)
    assert [step for step, _ in recorder.sent] == [1, 2, 3, 4, 5, 6]


def test_a_step_taken_back_before_it_is_sent_is_sent_as_it_was_taken_again(recorder: type[Recorder], tmp_path: Path) -> None:
    hook = Tracking("wandb", new_place(tmp_path, "try", {}), tmp_path / "metrics.jsonl", list, clock=lambda: 0.0)
    for step, loss in ((1, 1.0), (2, 5.0), (3, 5.0), (2, 1.5), (3, 1.25)):
        hook(row_of(step, loss))
    hook.close()
    assert [(step, values["train/loss"]) for step, values in recorder.sent] == [(2, 1.5), (3, 1.25)]  # the file has no step 1


def test_it_is_sent_every_few_seconds_and_at_the_end(recorder: type[Recorder], tmp_path: Path) -> None:
    seconds = iter(range(0, 1000, 2))
    run = Run(tmp_path, clock=lambda: float(next(seconds))).go(1, 8, close=False)
    assert 0 < len(recorder.sent) < 8
    run.go(9, 9, close=False)
    assert [step for step, _ in recorder.sent] == list(range(1, 10))


def test_what_is_sent() -> None:
    step, values = values_of(row_of(4), SCORES[0])
    assert step == 4
    assert values == {
        "train/loss": 0.25,
        "train/lr": 1e-3,
        "train/tokens": 256,
        "train/step_s": 0.1,
        "held_out/loss": 2.5,
        "held_out/bits_per_byte": 1.5,
        "held_out/a/loss": 2.25,
    }


@pytest.mark.parametrize("where", ["open", "send", "close"])
def test_a_tracker_that_fails_is_told_once_and_the_run_goes_on(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Tracker):
        def __init__(self, place: Place) -> None:
            print("noise")  # noqa: T201
            self.fail("open")

        def fail(self, here: str) -> None:
            torch.rand(3)
            if here == where:
                raise OSError("no space left over there")

        def send(self, rows: Sequence[Values]) -> None:
            self.fail("send")

        def close(self) -> None:
            self.fail("close")

    monkeypatch.setattr(tracking_module, "open_tracker", lambda _, place: Broken(place))
    random = torch.get_rng_state()
    Run(tmp_path, "wandb").go(1, 9)
    out, err = capsys.readouterr()
    assert err.count("no space left over there") == 1
    assert "wandb: no space left over there; the run goes on without it" in " ".join(err.split())
    assert out == ""
    assert torch.equal(torch.get_rng_state(), random)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pretrain\.trackers: trackio .* pip install 'groundup\[trackio\]'"):
        check_trackers(("trackio",))


def read_tensorboard(folder: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = folder.iterdir()
    events = EventAccumulator(str(run))
    events.Reload()
    assert events.Scalars("held_out/a/loss")[0].value == 2.25
    found = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert len(dict(found)) == len(found)
    return dict(found)


def read_mlflow(folder: Path) -> dict[int, float]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("groundup").experiment_id])
    assert run.data.params["optimizer.name"] == "adamw"
    assert run.info.status == "FINISHED"
    found = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "train/loss")]
    assert len(dict(found)) == len(found)
    return dict(found)


def read_trackio(folder: Path) -> dict[int, float]:
    with sqlite3.connect(folder / "groundup.db") as database:
        found = [
            (step, json.loads(values).get("train/loss")) for step, values in database.execute("select step, metrics from metrics")
        ]
    assert len(dict(found)) == len(found)
    return dict(found)


def read_wandb(folder: Path) -> dict[int, float]:
    from wandb.proto import wandb_internal_pb2

    found: dict[int, float] = {}
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    assert len({file.name for file in files}) == 1
    for data in (data for file in files for data in records(file.read_bytes()[7:])):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            values = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
            assert values["_step"] not in found
            found[values["_step"]] = values["train/loss"]
    return found


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a log in LevelDB's format, behind a header of 7 bytes: checksum, length, kind (full, or a part)."""
    place, held = 7, b""
    data = b"\0" * 7 + data
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        part, place = data[place + 7 : place + 7 + length], place + 7 + length
        held = part if kind in (1, 2) else held + part
        if kind in (1, 4):
            yield held


READERS = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "trackio": read_trackio, "wandb": read_wandb}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs[name]) for name in TRACKERS])
def test_what_the_tool_has_is_each_step_once(name: TrackerName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted and gone on with; read back with the tool itself."""
    for key in [key for key in os.environ if key.startswith(("WANDB", "MLFLOW", "TRACKIO"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(tmp_path))
    if name == "trackio":
        from trackio import sqlite_storage, utils

        (tmp_path / "trackers").mkdir()
        for module in (sqlite_storage, utils):
            monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackers")
    run = Run(tmp_path, name)
    for first, last, close in ((1, 4, True), (5, 6, False), (3, 9, True)):
        run.go(first, last, close)
        if name == "wandb":
            time.sleep(1.1)  # it writes in a process of its own, and names parts of a run by the second
    assert READERS[name](tmp_path / "trackers") == {step: pytest.approx(1 / step) for step in range(1, 10)}


def test_the_tool_of_a_tracker_is_loaded_with_it_alone() -> None:
    import subprocess
    import sys

    code = (
        "import sys, groundup.train.hooks.tracking, groundup.pretrain.run; "
        f"sys.exit(any(tool in sys.modules for tool in {sorted(PACKAGES.values())}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_open_tracker_makes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("groundup.train.hooks.trackers.trackio")
    module.Trackio = Recorder  # type: ignore[attr-defined]
    Recorder.places = []
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert isinstance(open_tracker("trackio", new_place(tmp_path / "a" / "b", "try", {})), Recorder)
    assert (tmp_path / "a" / "b").is_dir()
