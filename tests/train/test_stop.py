import signal

import pytest

from groundup.train.stop import STOPPING, stop_requests


@pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)
def test_the_first_signal_is_noted_and_the_next_one_acts_as_before(number: signal.Signals) -> None:
    met: list[int] = []
    outer = signal.signal(number, lambda met_number, _: met.append(met_number))
    try:
        with stop_requests() as stop:
            assert not stop
            signal.raise_signal(number)
            assert (bool(stop), stop.reason, met) == (True, number.name, [])
            signal.raise_signal(number)
            assert met == [number]
        signal.raise_signal(number)
        assert met == [number, number]
    finally:
        signal.signal(number, outer)


@pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)
def test_only_an_ignored_sighup_stays_ignored(number: signal.Signals) -> None:
    """nohup ignores it; SIGINT is ignored by a shell in whatever it starts in the background, where it is still wanted."""
    outer = signal.signal(number, signal.SIG_IGN)
    try:
        with stop_requests() as stop:
            signal.raise_signal(number)
            assert bool(stop) == (number.name != "SIGHUP")
    finally:
        signal.signal(number, outer)
