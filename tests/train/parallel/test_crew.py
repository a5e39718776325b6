"""What processes of a launch tell each other where the store is the first one's, and ends with it."""

import signal
from collections.abc import Iterator

import pytest
from torch.distributed import TCPStore

from groundup.core.errors import WorkerError
from groundup.core.world import World
from groundup.train.parallel.crew import Crew
from groundup.train.parallel.world import open_store
from groundup.train.stop import STOPPING


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[TCPStore]:
    """Return, alone in a list, a store at the address that the environment names."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    return [store]


@pytest.fixture
def signals() -> Iterator[None]:
    """Handle signals afterwards as before."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_its_store_the_first_process_is_named(server: list[TCPStore], signals: None) -> None:
    crew = Crew(World(1, 2, 1, 2))

    def work() -> None:
        with crew.at_work():
            server.clear()
            raise RuntimeError("Connection closed by peer")

    with pytest.raises(WorkerError, match=r"process 0 is gone, and with it the store of the launch; the same command goes on"):
        work()


def test_agents_count_lives_each_for_itself(server: list[TCPStore], monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of a second life meet those of an agent that has joined; in the store of one agent lives are apart."""
    for is_of_agent, meets in (("False", True), ("True", False)):
        monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", is_of_agent)
        open_store(World(1, 3, 0, 1, life=1)).set("word", "")
        assert open_store(World(2, 3, 0, 1, life=0)).check(["word"]) == meets
