"""Run programs of Python as processes of their own that begin at once: forks of one that has imported what takes long.

    warm.run(["-m", "groundup", "show", "runs/demo"])

gives what subprocess.run([sys.executable, "-m", "groundup", "show", "runs/demo"], capture_output=True, text=True) does.
Importing torch and its like takes a program seconds of processor time, most of what a short command does. Nothing of groundup
is imported before the fork: each program imports it anew, in an order of its own.
"""

import atexit
import contextlib
import faulthandler
import functools
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "torch",
    "torch._dynamo",
    "torch.distributed.checkpoint",
    "torch.distributed.fsdp",
    "torch.distributed.pipelining",
    "torch.distributed.tensor.parallel",
    "numpy",
    "scipy.interpolate",
    "scipy.optimize",
    "scipy.special",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pydantic",
    "typer.rich_utils",
    "rich.console",
    "rich.progress",
    "yaml",
    "orjson",
    "psutil",
    "tokenizers",
    "safetensors.torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "resiliparse.parse.html",
    "fastwarc",
)
"""What programs of groundup use, as far as it is installed."""
FORKED = {"jemalloc_bg_thd"}
"""Threads whose library starts them anew in a fork: of Arrow's allocator."""
_LOOK_S = 0.005


class Program:
    """A program that runs; its words go to files of its own, which `ended` reads and removes."""

    def __init__(self, words: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        self._words = [*map(str, words)]
        self._folder = tempfile.TemporaryDirectory()
        self._said = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        for file in self._said:
            file.touch()  # the program may be killed before it opens them
        order = {
            "words": self._words,
            "cwd": str(cwd or Path.cwd()),
            "env": dict(env or os.environ),
            "said": [*map(str, self._said)],
        }
        self.pid = _server().call({"start": order})
        """Also the number of its group of processes."""
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, as subprocess does: the exit code, or the signal's number below 0; None while it runs."""
        if self.returncode is None:
            self.returncode = _server().call({"look": self.pid, "how": os.WNOHANG})
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, longest_s: float) -> int:
        """Return how it ended; raise TimeoutExpired if it takes longer."""
        until_s = time.monotonic() + longest_s
        while (code := self.poll()) is None:
            if time.monotonic() > until_s:
                raise subprocess.TimeoutExpired(self._words, longest_s)
            time.sleep(_LOOK_S)
        return code

    def ended(self) -> subprocess.CompletedProcess[str]:
        """Wait, and return what it said, too."""
        if self.returncode is None:
            self.returncode = _server().call({"look": self.pid, "how": 0})
        with self._folder:
            code = self.returncode
            return subprocess.CompletedProcess([sys.executable, *self._words], code, *(file.read_text() for file in self._said))


def run(
    words: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS`, and return its exit code and what it said."""
    return Program(words, cwd, env).ended()


class Server:
    """The process that forks, and the line to it; it ends when this one does."""

    def __init__(self) -> None:
        self._line, other = socket.socketpair()
        with other:
            command = [sys.executable, __file__, str(other.fileno())]
            self._process = subprocess.Popen(command, pass_fds=(other.fileno(),), env={**os.environ, "OMP_NUM_THREADS": "1"})
        self._answers = self._line.makefile("rb")
        atexit.register(self.close)

    def call(self, order: Mapping[str, Any]) -> Any:
        self._line.sendall(json.dumps(order).encode() + b"\n")
        answer = self._answers.readline()
        assert answer, "the process that starts programs has died"
        return json.loads(answer)

    def close(self) -> None:
        """Let the process end."""
        self._answers.close()
        self._line.close()
        self._process.wait()


@functools.cache
def _server() -> Server:
    return Server()


def serve(line: socket.socket) -> Mapping[str, Any] | None:
    """Start programs and look at them as asked until nobody asks; in the process of a program, return what it is to be."""
    asked = line.makefile("rb")
    for text in asked:
        order = json.loads(text)
        if "start" in order:
            answer: int | None = os.fork()
            if not answer:
                os.setsid()
                asked.close()
                line.close()
                return dict(order["start"])
        else:
            pid, status = os.waitpid(order["look"], order["how"])
            answer = os.waitstatus_to_exitcode(status) if pid else None
        line.sendall(json.dumps(answer).encode() + b"\n")
    return None


def be(order: Mapping[str, Any]) -> NoReturn:
    """Be the program, and end as the interpreter does, but for taking down what was imported: that takes a third of a second."""
    code = 1
    try:
        begin(order)
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def begin(order: Mapping[str, Any]) -> None:
    """Run the program in its folder and environment, its words going to its files."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.environ.setdefault("GLIBC_TUNABLES", "")  # a fork does not begin anew for settings of the allocator
    os.chdir(order["cwd"])
    _open(os.devnull, os.O_RDONLY, 0)
    for number, file in enumerate(order["said"], 1):
        _open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, number)
    faulthandler.enable()  # also of what it forks: a crash says where each thread of Python was
    first, *rest = order["words"]
    sys.argv = rest if first == "-m" else [first, *rest]
    sys.path[0] = order["cwd"] if first == "-m" else str(Path(first).parent)
    if first == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(first, run_name="__main__")


def _open(file: str, how: int, number: int) -> None:
    opened = os.open(file, how, 0o600)
    os.dup2(opened, number)
    os.close(opened)


def main() -> None:
    """Import, then fork whenever asked."""
    for name in IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    others = {
        task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").glob("*") if int(task.name) != os.getpid()
    }
    assert others <= FORKED, f"{others - FORKED} run: a fork would take over what they hold"
    gc.collect()
    gc.freeze()  # a search for garbage in a fork would copy all that was imported
    order = serve(socket.socket(fileno=int(sys.argv[1])))
    if order is not None:
        be(order)


if __name__ == "__main__":
    main()
