"""The file of runs: what is written is read, whatever happens to the file in between."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from calibrations import MACHINE, run_of
from groundup.core.errors import StorageError
from groundup.core.home import home
from groundup.estimate.calibration import book
from groundup.estimate.calibration.book import FILE, Book, known_runs, note_run
from groundup.estimate.calibration.record import this_machine

RUNS_EACH = 20


def add_runs(folder: Path, first: int) -> None:
    for number in range(first, first + RUNS_EACH):
        Book(folder).add(run_of(params=number))


def test_runs_are_read_as_they_were_written(tmp_path):
    runs = [run_of(params=number) for number in range(3)]
    for run in runs:
        Book(tmp_path).add(run)
    assert Book(tmp_path).read().runs == tuple(runs)
    assert len((tmp_path / FILE).read_text().splitlines()) == 3


def test_no_run_is_lost_when_two_processes_end_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=add_runs, args=(tmp_path, first)) for first in (0, 1000)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    found = Book(tmp_path).read()
    assert sorted(run.params for run in found.runs) == [*range(RUNS_EACH), *range(1000, 1000 + RUNS_EACH)]
    assert not found.damaged


def test_the_oldest_runs_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "MAX_RUNS", 4)
    for number in range(7):
        Book(tmp_path).add(run_of(params=number))
    assert [run.params for run in Book(tmp_path).read().runs] == [3, 4, 5, 6]


@pytest.mark.parametrize("damage", [b'{"format": 1, "at"', b"\xff\xfe\x00", b"[1, 2]", b'{"format": 1}', b"[" * 5000])
@pytest.mark.parametrize("by", ["reading", "adding"])
def test_damage_is_said_and_set_aside_and_whole_runs_stay(tmp_path, damage, by, capsys):
    for number in range(3):
        Book(tmp_path).add(run_of(params=number))
    lines = (tmp_path / FILE).read_bytes().splitlines()
    (tmp_path / FILE).write_bytes(b"\n".join([lines[0], damage, *lines[1:]]))
    before = (tmp_path / FILE).read_bytes()
    if by == "adding":
        Book(tmp_path).add(run_of(params=3))
    found = Book(tmp_path).read()
    assert [run.params for run in found.runs] == [*range(3), *([3] if by == "adding" else [])]
    assert (tmp_path / f"{FILE}.damaged").read_bytes() == before
    said = capsys.readouterr().err.replace("\n", " ")
    assert "1 damaged lines; set aside as" in said
    assert not Book(tmp_path).read().damaged


def test_a_file_too_large_to_be_ours_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "MAX_BYTES", 100)
    (tmp_path / FILE).write_text("x" * 101)
    assert Book(tmp_path).read().runs == ()
    assert (tmp_path / f"{FILE}.damaged").read_text() == "x" * 101


def test_lines_of_another_version_are_kept_and_not_used(tmp_path):
    later = json.dumps({"format": 2, "of": "a later version"})
    (tmp_path / FILE).write_text(later + "\n")
    Book(tmp_path).add(run_of())
    assert len(Book(tmp_path).read().runs) == 1
    assert later in (tmp_path / FILE).read_text().splitlines()


def test_runs_of_another_machine_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDUP_HOME", str(tmp_path))
    other = MACHINE.model_copy(update={"threads": 1})
    note_run(run_of(params=1))
    note_run(run_of(params=2, machine=other))
    assert [run.params for run in known_runs(MACHINE)] == [1]
    assert [run.params for run in known_runs(other)] == [2]


def test_forgetting_removes_the_file(tmp_path):
    Book(tmp_path).add(run_of())
    assert Book(tmp_path).forget() == 1
    assert Book(tmp_path).forget() == 0
    assert not (tmp_path / FILE).exists()


def test_a_home_that_is_no_folder_stops_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GROUNDUP_HOME", str(tmp_path / "file"))
    note_run(run_of())
    assert known_runs(MACHINE) == ()
    said = capsys.readouterr().err.replace("\n", " ")
    assert "this run is not kept for later forecasts" in said
    assert "GROUNDUP_HOME=DIR" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch, capsys):
    Book(tmp_path).add(run_of())
    tmp_path.chmod(0o500)
    monkeypatch.setenv("GROUNDUP_HOME", str(tmp_path))
    note_run(run_of())
    assert len(known_runs(MACHINE)) == 1
    assert "Permission denied; name another folder" in capsys.readouterr().err.replace("\n", " ")


def test_a_file_held_by_another_process_is_not_waited_for_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "LOCK_WAIT_S", 0.1)
    with Book(tmp_path)._alone(), pytest.raises(StorageError, match="another process holds it"):
        Book(tmp_path).add(run_of())


@pytest.mark.parametrize(
    ("named", "state", "expected"),
    [
        ("/a/b", "/s", "/a/b"),
        ("", "/s", "/s/groundup"),
        ("", "s", "{home}/.local/state/groundup"),
        ("", "", "{home}/.local/state/groundup"),
    ],
)
def test_the_home_follows_the_base_directory_specification(monkeypatch, named, state, expected):
    monkeypatch.setenv("GROUNDUP_HOME", named)
    monkeypatch.setenv("XDG_STATE_HOME", state)
    assert str(home()) == expected.format(home=Path.home())


def test_this_machine_is_known_again():
    mark = this_machine(2)
    assert mark == this_machine(2) != this_machine(1)
    assert mark.processor
    assert mark.torch.startswith("2.")
