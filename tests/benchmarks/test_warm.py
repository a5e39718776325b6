"""Programs in forks of a process that has imported much are processes as any other."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks/parallel"))
import warm

LOOK = """
import json, os, sys
ours = any(name.split(".")[0] == "groundup" for name in sys.modules)
print(json.dumps([os.getpid(), os.getcwd(), dict(os.environ), sys.argv[1:], __name__, ours, "torch" in sys.modules]))
raise SystemExit(int(sys.argv[1]))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(LOOK)
    return tmp_path / "script.py"


def test_a_program_has_the_words_folder_and_environment_that_it_is_given(script: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"odd\xff")
    found = []
    for code in (0, 7):
        done = warm.run([script, str(code), odd], tmp_path, {"ONE": odd, "TWO": "2"})
        pid, *rest = json.loads(done.stdout)
        assert done.returncode == code
        own = {"ONE": odd, "TWO": "2", "GLIBC_TUNABLES": ""}
        assert rest == [str(tmp_path), own, [str(code), odd], "__main__", False, True]
        found.append(pid)
    assert len({*found, os.getpid()}) == 3


def test_what_goes_wrong_is_said_as_python_says_it(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("print('begun')\nraise ValueError('no')")
    done = warm.run([tmp_path / "wrong.py"])
    assert (done.returncode, done.stdout) == (1, "begun\n")
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: no\n")
    module = warm.run(["-m", "groundup", "nonsense"])
    assert (module.returncode, "nonsense" in module.stderr) == (2, True)


def test_a_program_that_is_killed_says_by_which_signal(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    program = warm.Program([tmp_path / "long.py"])
    assert program.poll() is None
    program.send_signal(signal.SIGTERM)
    program.wait(30)
    program.send_signal(signal.SIGTERM)  # nobody
    assert program.ended().returncode == -signal.SIGTERM
