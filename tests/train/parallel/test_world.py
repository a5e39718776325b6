"""The launcher's store: an address where something else answers ends in words, not in silence."""

import os
import socket
import subprocess
import sys

LONG_S = 60.0
OPEN = """
from groundup.core.errors import GroundupError
from groundup.core.world import launched
from groundup.train.parallel import world
world.CONNECT_S = 1.0
try:
    world.open_store(launched())
except GroundupError as error:
    raise SystemExit(str(error))
"""


def opened(rank: int, port: int) -> subprocess.CompletedProcess[str]:
    """Let a process of that rank look for the store."""
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-c", OPEN]
    return subprocess.run(command, env={**os.environ, **place}, capture_output=True, text=True, timeout=LONG_S, check=False)


def test_a_port_in_use_is_told_by_the_first_and_by_others() -> None:
    """Something listens at the port and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        for rank, words in {0: "the port is in use", 1: "something answers that is no store of a launch"}.items():
            done = opened(rank, port)
            assert done.returncode != 0
            assert f"127.0.0.1:{port}: {words}; give the launch another port" in done.stderr
