"""Asking a run to stop: a signal sets a flag, the run ends its step."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

STOPPING: Final = tuple(number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number)
"""Ctrl-C, what schedulers send, and a terminal that is closed (which Windows does not tell)."""

_LEFT_IGNORED: Final = STOPPING[2:]
"""Where it is ignored somebody wants that; a shell ignores SIGINT for whatever it starts in the background."""


class StopRequest:
    """Whether the run was asked to stop, and why: by the name of a signal, or by what a hook found."""

    reason: str | None = None

    def __bool__(self) -> bool:
        return self.reason is not None

    def ask(self, reason: str) -> None:
        """Ask the run to end with its next step, which is saved."""
        self.reason = self.reason or reason


@contextlib.contextmanager
def stop_requests(request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Turn the first signal of STOPPING into a request; a second one acts at once, as it did before.

    A SIGHUP that is ignored (nohup) stays so. Outside the main thread signals cannot be caught, and nothing is asked.
    """
    request = StopRequest() if request is None else request
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    handlers = {number: signal.getsignal(number) for number in STOPPING}
    before = {
        number: handler for number, handler in handlers.items() if not (number in _LEFT_IGNORED and handler is signal.SIG_IGN)
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        request.ask(signal.Signals(number).name)
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
