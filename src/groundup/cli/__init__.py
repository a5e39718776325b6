"""The command line: one verb a stage, and what walks, shows and uses what they make. No logic lives here."""

import io
import os
import signal
import sys
from types import FrameType

from groundup.cli import (  # each adds its commands
    budget,
    calibration,
    choosing,
    classifiers,
    compute,
    curation,
    data,
    fetch,
    launching,
    layout,
    line,
    memory,
    models,
    numbers,
    perplexity,
    scaling,
    scaling_sweep,
    tokenizers,
)
from groundup.cli.root import app
from groundup.core.errors import FailedElsewhere, GroundupError, Stopped, StorageError
from groundup.core.files import explain_os_error
from groundup.core.log import complain, set_quiet
from groundup.core.world import launched
from groundup.train.stop import STOPPING

__all__ = [
    "app",
    "budget",
    "calibration",
    "choosing",
    "classifiers",
    "compute",
    "curation",
    "data",
    "fetch",
    "launching",
    "layout",
    "line",
    "main",
    "memory",
    "models",
    "numbers",
    "perplexity",
    "scaling",
    "scaling_sweep",
    "tokenizers",
]

INTERRUPTED = 130  # what a shell calls Ctrl-C


def main() -> None:
    """Run the command line; exit 0 done, 1 our fault, 2 your input, 3 stopped on purpose."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the terminal cannot show
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    code: str | int | None = 0
    try:
        _leave_the_word_to_the_first()
        app()
    except SystemExit as exit_:
        code = exit_.code
        if code == INTERRUPTED:
            code = _fail("on request; the same command goes on from what is finished", Stopped.exit_code)
    except FailedElsewhere as error:
        code = error.exit_code
    except GroundupError as error:
        code = _fail(str(error), error.exit_code)
    except OSError as error:
        code = _fail(explain_os_error(error), StorageError.exit_code)
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Leave from wherever the program is. Not by KeyboardInterrupt: Python dies of it if it passes through an exec() of text."""
    raise SystemExit(INTERRUPTED)


def _fail(message: str, code: int) -> int:
    complain(message, "stopped" if code == Stopped.exit_code else "error")
    return code


def _leave_the_word_to_the_first() -> None:
    """Silence the processes of a launch but the first."""
    world = launched()
    if world is not None and not world.is_first:
        set_quiet(False)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  for the life of the process
