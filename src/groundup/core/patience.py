"""Waiting for a disk: what the operating system refuses now it may grant a little later."""

import time
from collections.abc import Callable
from typing import TypeVar

from groundup.core.errors import StorageError
from groundup.core.log import say
from groundup.core.units import format_seconds

T = TypeVar("T")
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


def patiently(action: Callable[[], T], patience_s: float, sleep: Callable[[float], None] = time.sleep) -> T:
    """Return what `action` returns; where it raises StorageError, call it again after 1, 2, 4, ... 60 s.

    Each refusal is told. The error is raised once the pauses together would be longer than `patience_s`.
    """
    pause_s, left_s = _FIRST_PAUSE_S, patience_s
    while True:
        try:
            return action()
        except StorageError as error:
            if pause_s > left_s:
                raise
            say(
                f"{error}\n  the run waits {format_seconds(pause_s)} and tries again, for {format_seconds(left_s)} more",
                style="yellow",
            )
        sleep(pause_s)
        left_s -= pause_s
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
