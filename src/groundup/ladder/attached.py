"""The command line for a process that started it and may die: once its standard input ends, it stops as after a signal.

    python -m groundup.ladder.attached run RECIPE.yaml ...

A training run saves and leaves with code 3, so that no process of a ladder that was killed trains on unseen.
"""

import os
import signal
import threading

from groundup.cli import main

_STDIN = 0


def stop_with_input() -> None:
    """Ask this process to stop once its standard input ends."""
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_with_input, daemon=True).start()
    main()
