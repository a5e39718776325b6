"""Signs of life: who gives none is named, who has left is not missed."""

import signal
import subprocess
import threading
from collections.abc import Callable

import pytest
from torch.distributed import HashStore

from groundup.core.world import World
from groundup.train.parallel.watch import FAILURE, Watch

TICK_S, STALLED_S, LONG_S = 0.02, 0.3, 10.0


@pytest.fixture
def store() -> HashStore:
    return HashStore()


def watch(store: HashStore, rank: int, fail: Callable[[str], None], size: int = 2) -> Watch:
    return Watch(World(rank, size, rank, size), store, fail, TICK_S, STALLED_S)


def test_a_process_without_a_sign_is_named_with_its_place(store: HashStore) -> None:
    told, said = [], threading.Event()
    store.set("sign-1", "7")
    store.set("place-1", "seen after step 12")

    def fail(message: str) -> None:
        told.append(message)
        store.set(FAILURE, "1")
        said.set()

    first = watch(store, 0, fail)
    assert said.wait(LONG_S)
    assert first.silent() == [1]
    first.close()
    assert len(told) == 1
    assert "process 1 has given no sign of life" in told[0]
    assert "it was last seen after step 12" in told[0]


def test_who_lives_or_has_left_is_not_missed(store: HashStore) -> None:
    told: list[str] = []
    first, second = watch(store, 0, told.append), watch(store, 1, told.append)
    assert not threading.Event().wait(2 * STALLED_S)
    assert first.silent() == []
    second.close()
    assert not threading.Event().wait(2 * STALLED_S)
    assert first.silent() == []
    first.close()
    assert told == []


def test_who_keeps_the_store_waits_until_others_have_left(store: HashStore) -> None:
    first, second = watch(store, 0, lambda _: None), watch(store, 1, lambda _: None)
    first.wait_left(2 * TICK_S)
    assert not store.check(["sign-1"]) or store.get("sign-1") != b"left"
    leaving = threading.Timer(5 * TICK_S, second.close)
    leaving.start()
    first.wait_left(LONG_S)
    assert store.get("sign-1") == b"left"
    leaving.join()
    first.close()


def test_a_stopped_process_of_this_machine_is_killed(store: HashStore) -> None:
    """Whoever launched it would wait for it to end by itself."""
    stopped = subprocess.Popen(["sleep", "60"])
    stopped.send_signal(signal.SIGSTOP)
    store.set("sign-1", "7")
    store.set("pid-1", str(stopped.pid))
    first = watch(store, 0, lambda _: store.set(FAILURE, "1"))
    try:
        assert stopped.wait(LONG_S) == -signal.SIGKILL
    finally:
        stopped.kill()
        first.close()


def test_a_process_of_another_machine_is_left_to_its_launcher(store: HashStore) -> None:
    elsewhere, said = subprocess.Popen(["sleep", "60"]), threading.Event()
    store.set("sign-1", "7")
    store.set("pid-1", str(elsewhere.pid))

    def fail(message: str) -> None:
        store.set(FAILURE, "1")
        said.set()

    first = Watch(World(0, 2, 0, 1), store, fail, TICK_S, STALLED_S)
    try:
        assert said.wait(LONG_S)
        first.close()
        assert elsewhere.poll() is None
    finally:
        elsewhere.kill()
        elsewhere.wait()
