"""Every engine does the same work with the same results, and says what went wrong."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import get_args

import pytest

from groundup.core.engines import ENGINES, EngineName, Workers, open_engine
from groundup.core.errors import DataError, WorkerError


def squared(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    if number == 3:
        raise DataError("number 3 is not text")
    return number


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(scope="module", params=[("local", 1), ("local", 2), ("ray", 2)], ids=str)
def engine(request):
    name, workers = request.param
    if name == "ray":
        pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    with open_engine(Workers(name, workers)) as opened:
        yield opened


def test_the_table_names_every_engine():
    assert set(ENGINES) == set(get_args(EngineName))


def test_every_task_is_done_once_whatever_the_order(engine):
    for tasks in ([], [7], list(range(20))):
        assert dict(engine.run(squared, tasks)) == {position: task * task for position, task in enumerate(tasks)}


def test_a_script_without_a_guard_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import math
        from groundup.core.engines import Workers, open_engine
        print("once")
        with open_engine(Workers("local", 2)) as engine:
            print(sorted(engine.run(math.isqrt, [9, 16, 25])))
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "once\n[(0, 3), (1, 4), (2, 5)]\n", done.stderr


def test_what_a_task_raises_comes_through_and_the_engine_goes_on(engine):
    with pytest.raises(DataError, match="number 3 is not text"):
        dict(engine.run(refuse, range(6)))
    assert dict(engine.run(squared, [4, 5])) == {0: 16, 1: 25}


def test_a_dead_worker_is_named_and_the_engine_goes_on():
    with open_engine(Workers("local", 2)) as engine:
        with pytest.raises(WorkerError, match=r"a worker process died .* run the same command again"):
            dict(engine.run(die, range(8)))
        assert dict(engine.run(squared, [4, 5])) == {0: 16, 1: 25}


def test_workers_end_with_a_killed_parent(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, sys, time
            from groundup.core.engines import Workers, open_engine

            def wait(_):
                print(os.getpid(), flush=True)
                time.sleep(60)

            if __name__ == "__main__":
                with open_engine(Workers("local", 2)) as engine:
                    list(engine.run(wait, [1, 2]))
            """
        )
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert {int(parent.stdout.readline()) for _ in range(2)}.isdisjoint({parent.pid})
        parent.kill()
        assert parent.stdout.read() == "", "the pipe closes when the last worker is gone"
