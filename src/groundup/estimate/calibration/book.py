"""The file of runs: JSON Lines in groundup's home, of bounded size, safe against two runs that end at once."""

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundup.core.config import Config
from groundup.core.errors import ConfigError, StorageError
from groundup.core.files import write_bytes
from groundup.core.home import HOME, home
from groundup.core.log import say
from groundup.estimate.calibration.record import FORMAT, MachineMark, RunRecord

FILE = "calibration.jsonl"
MAX_RUNS = 500
"""The newest are kept."""
MAX_BYTES = 8 << 20
"""A larger file was not written by groundup."""
LOCK_WAIT_S = 5.0


class Lines(Config):
    """What the file holds."""

    runs: tuple[RunRecord, ...] = ()
    """In the order in which they ended."""
    others: tuple[str, ...] = ()
    """Lines of another version of groundup, which are kept as they are."""
    damaged: int = 0
    """Lines that are none of these."""

    def of(self, machine: MachineMark) -> tuple[RunRecord, ...]:
        """Return the runs of that machine."""
        return tuple(run for run in self.runs if run.machine == machine)


class Book:
    """The runs of this user."""

    def __init__(self, folder: Path | None = None) -> None:
        """Take the file in `folder`; None: in groundup's home."""
        self.path = (folder or home()) / FILE

    def read(self) -> Lines:
        """Return what the file holds, nothing if there is none; a damaged file is set aside, and what is whole of it kept.

        Raises StorageError if it cannot be read.
        """
        found = self._parsed()
        if found.damaged:
            self._mend(found.damaged)
        return found

    def add(self, run: RunRecord) -> None:
        """Append the run, and drop the oldest where there are more than MAX_RUNS.

        The file is replaced as a whole, so a kill leaves the old one or the new one. Raises StorageError if it cannot be written.
        """
        with self._alone():
            found = self._parsed()
            if found.damaged:
                self._set_aside(found)
            self._write([*found.runs[-(MAX_RUNS - 1) :], run], found.others)

    def forget(self) -> int:
        """Remove the file; return how many runs it held. Raises StorageError if it cannot be removed."""
        if not self.path.exists():
            return 0
        with self._alone(), _at_home(self.path):
            found = self._parsed()
            self.path.unlink(missing_ok=True)
        return len(found.runs)

    def _parsed(self) -> Lines:
        if not self.path.exists():
            return Lines()
        with _at_home(self.path):
            if self.path.stat().st_size > MAX_BYTES:
                return Lines(damaged=1)
            raw = self.path.read_bytes()
        runs, others, damaged = [], [], 0
        for line in raw.splitlines():
            parsed = _parse(line)
            if isinstance(parsed, RunRecord):
                runs.append(parsed)
            elif parsed is not None:
                others.append(parsed)
            else:
                damaged += 1
        return Lines(runs=tuple(runs), others=tuple(others), damaged=damaged)

    def _mend(self, damaged: int) -> None:
        try:
            with self._alone():
                found = self._parsed()  # another process may have mended it
                if found.damaged:
                    self._set_aside(found)
                    self._write(found.runs, found.others)
        except StorageError as error:
            say(f"  {self.path}: {damaged:,} damaged lines are passed over; the file cannot be mended: {error}", style="yellow")

    def _set_aside(self, found: Lines) -> None:
        """Copy the file as it is; the next write leaves the damage out."""
        aside = self.path.with_name(f"{FILE}.damaged")
        with _at_home(aside):
            shutil.copyfile(self.path, aside)
        kept = f"{len(found.runs):,} runs that are whole are kept"
        say(f"  {self.path}: {found.damaged:,} damaged lines; set aside as {aside}, {kept}", style="yellow")

    def _write(self, runs: Sequence[RunRecord], others: Sequence[str]) -> None:
        lines = [*others[-MAX_RUNS:], *(json.dumps(run.model_dump(mode="json"), ensure_ascii=False) for run in runs)]
        with _at_home(self.path):
            write_bytes(self.path, "".join(f"{line}\n" for line in lines).encode())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the file against other processes; raise StorageError if another holds it for longer than LOCK_WAIT_S."""
        lock = self.path.with_name(f"{FILE}.lock")
        with contextlib.ExitStack() as closing:
            with _at_home(lock):
                lock.parent.mkdir(parents=True, exist_ok=True)
                file = closing.enter_context(lock.open("wb"))
            until_s = time.monotonic() + LOCK_WAIT_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until_s:
                        raise StorageError(f"{lock}: another process holds it; name another folder: {HOME}=DIR") from None
                    time.sleep(0.02)
                except OSError as error:
                    raise StorageError(f"{lock}: cannot be locked ({error.strerror}); name a local folder: {HOME}=DIR") from error
            yield


@contextlib.contextmanager
def _at_home(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into a StorageError whose way out is another home."""
    try:
        yield
    except (OSError, StorageError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        what = (cause.strerror if isinstance(cause, OSError) else None) or error
        raise StorageError(f"{path}: {what}; name another folder for groundup's notes: {HOME}=DIR") from error


def _parse(line: bytes) -> RunRecord | str | None:
    """Return the run of the line; the line itself if another version wrote it; None if it is damaged."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("format"), int) and found["format"] != FORMAT:
        return line.decode()
    try:
        return RunRecord.parse(found, FILE)
    except ConfigError:
        return None


def known_runs(machine: MachineMark) -> tuple[RunRecord, ...]:
    """Return this machine's runs; none, with a word about it, if they cannot be read: no plan is stopped by that."""
    try:
        return Book().read().of(machine)
    except StorageError as error:
        say(f"  earlier runs of this machine cannot be read, the plan goes on without them: {error}", style="yellow")
        return ()


def note_run(run: RunRecord) -> bool:
    """Keep the run; if that cannot be, say so and return False: no run is stopped by that."""
    try:
        Book().add(run)
    except StorageError as error:
        say(f"  this run is not kept for later forecasts: {error}", style="yellow")
        return False
    return True
