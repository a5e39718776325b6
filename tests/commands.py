"""Commands of groundup as users type them, each a process of its own."""

import contextlib
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks/parallel"))
import warm

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
STAND_IN = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    with line.makefile("rw") as talk:
        print(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]), file=talk, flush=True)
        code, out, err = json.loads(talk.readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


def groundup(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command, and return how it ended and what it said."""
    return start(*words, cwd=cwd).ended()


def start(*words: str | Path, cwd: Path | None = None) -> warm.Program:
    """Start a command, with a group of processes of its own."""
    return warm.Program(["-m", "groundup", *words], cwd, ENV)


@contextlib.contextmanager
def standing_in(file: Path) -> Iterator[None]:
    """Let a file be `groundup` for other programs: what they start it with is run as here."""
    with tempfile.TemporaryDirectory() as folder, socketserver.UnixStreamServer(f"{folder}/door", _Asked) as door:
        file.write_text(STAND_IN.format(python=sys.executable, address=door.server_address))
        file.chmod(0o755)
        threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield
        finally:
            door.shutdown()


class _Asked(socketserver.StreamRequestHandler):
    """Run one command for whoever asks."""

    def handle(self) -> None:
        words, cwd, env = json.loads(self.rfile.readline())
        done = warm.run(["-m", "groundup", *words], Path(cwd), env)
        self.wfile.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode() + b"\n")
