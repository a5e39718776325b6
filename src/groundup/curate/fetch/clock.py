"""Time, passed in so that tests need not wait."""

import time


class Clock:
    """The time of this machine."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
