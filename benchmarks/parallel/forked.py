"""Start processes of a script as torchrun does, but from one that has imported torch and groundup: they begin at once.

    python benchmarks/parallel/forked.py N SCRIPT [ARGUMENT ...]

Importing takes each process several seconds, longer than most comparisons. Ends with the first exit code that is not 0, and the
other processes with it. Restarts, several machines and signs of life are torchrun's.
"""

import gc
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import warm
from torch._C._distributed_c10d import TCPStore

IMPORTED = ("groundup.train.step", "groundup.train.parallel.team", "groundup.train.parallel.world", "groundup.train.state")
HOST = "127.0.0.1"


def run(size: int, script: Path, arguments: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run so many processes of a script, and return what they said."""
    return warm.run([__file__, str(size), script, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"})


def start(rank: int, size: int, script: Path, arguments: Sequence[str], port: int) -> int:
    """Fork a process that runs the script, and return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
        address = {"MASTER_ADDR": HOST, "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": "True"}
        os.environ.update({name: str(value) for name, value in {**places, **address}.items()})
        sys.argv = [str(script), *arguments]
        sys.path[0] = str(script.parent)
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(processes: set[int]) -> int:
    """Wait for all, and return the first exit code that is not 0; after it no process is left running."""
    failed = 0
    while processes:
        pid, status = os.wait()
        processes.discard(pid)
        code = os.waitstatus_to_exitcode(status)
        if code and not failed:
            failed = code
            for other in processes:
                os.kill(other, signal.SIGKILL)
    return failed


def main() -> int:
    """Start, and wait."""
    size, script = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # a search for garbage in a rank would copy all that was imported
    listening = socket.create_server((HOST, 0))
    port = listening.getsockname()[1]
    processes = {start(rank, size, script, sys.argv[3:], port) for rank in range(size)}
    store = TCPStore(
        HOST, port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach()
    )  # after: it has threads
    failed = finish(processes)
    del store
    return abs(failed)


if __name__ == "__main__":
    sys.exit(main())
