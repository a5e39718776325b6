"""Which layout `parallel: auto` takes, and what it says a process holds."""

from dataclasses import replace

import pytest

from groundup.core.errors import BudgetError, ConfigError
from groundup.estimate.device_memory import Training, device_memory
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.process import of_rank, process_memory
from groundup.estimate.layout.search import assess
from groundup.estimate.memory import checkpoint_bytes, training_memory
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig
from groundup.train.parallel.automatic import Chosen, Room, check_fits, choose, layouts_of
from groundup.train.parallel.config import Layout, LocalSgd

MODEL = ModelConfig(vocab_size=8192, dim=1024, num_layers=12, num_heads=16, num_kv_heads=16, ffn_dim=2816, max_seq_len=256)
WORKLOAD = Workload(MODEL, "fp32", "sdpa", 1, 64, RowLengths.causal(256), document_mask=False)
HELD = 300_000_000


def chosen(limit_bytes: int, processes: int = 4, workload: Workload = WORKLOAD) -> Chosen:
    return choose(workload, layouts_of(workload, processes, None), Room(limit_bytes, HELD, on_host=True))


def test_processes_of_a_cpu_share_no_more_than_they_must() -> None:
    totals = [process_memory(WORKLOAD, layout, HELD, True)["total"] for layout in layouts_of(WORKLOAD, 4, None)]
    assert totals == sorted(totals, reverse=True)
    for zero, total in enumerate(totals):
        found = chosen(total)
        assert (found.layout.dp, found.layout.zero, found.total) == (4, zero, total)
        assert found.fits
        assert found.why.count("with dp=4") == zero
    too_small = chosen(totals[-1] - 1)
    assert (too_small.fits, too_small.layout.zero) == (False, 3)
    with pytest.raises(BudgetError, match=r"no layout of 4 processes fits; the smallest \(dp=4, zero=3\) takes .* start more"):
        check_fits(too_small, WORKLOAD)


def test_rows_that_do_not_divide_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"the 64 rows of pretrain.batch_tokens do not divide among 6 processes; start 4, or set"):
        chosen(1 << 40, processes=6)


def test_a_process_alone_holds_what_training_in_one_takes() -> None:
    memory = process_memory(WORKLOAD, Layout(), HELD, on_host=True)
    alone = training_memory(WORKLOAD, HELD)
    assert memory == {**alone, "snapshot": checkpoint_bytes(WORKLOAD), "total": alone["total"] + checkpoint_bytes(WORKLOAD)}
    assert process_memory(WORKLOAD, Layout(), HELD, on_host=False) == alone


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_states_and_copies_of_a_process_are_its_shares(zero: int) -> None:
    """In fp32 with Adam: 4 bytes of weights, 4 of gradients, 8 of moments; the copy for checkpoints is of weights and moments."""
    memory = process_memory(WORKLOAD, Layout(dp=4, zero=zero, precision="fp32"), HELD, on_host=True)
    whole = training_memory(WORKLOAD, HELD)
    shared = {"optimizer": zero >= 1, "gradients": zero >= 2, "weights": zero >= 3}
    for line, is_shared in shared.items():
        assert memory[line] == pytest.approx(whole[line] / (4 if is_shared else 1), rel=1e-6)
    assert memory["snapshot"] == pytest.approx(checkpoint_bytes(WORKLOAD) / (4 if zero else 1), rel=1e-6)
    assert memory["total"] == sum(size for name, size in memory.items() if name != "total")


def test_a_rank_reads_its_rows_in_micro_batches_that_divide_them() -> None:
    own = of_rank(replace(WORKLOAD, micro_batch=32, batch_sequences=48), Layout(dp=4))
    assert (own.batch_sequences, own.micro_batch) == (12, 12)


@pytest.mark.parametrize("zero", [0, 3])
def test_islands_keep_the_weights_and_the_momentum_of_their_exchange(zero: int) -> None:
    training = Training(RowLengths.causal(256), software="groundup")
    together = Layout(dp=2, zero=zero, precision="fp32")
    apart = Layout(dp=4, zero=zero, precision="fp32", local_sgd=LocalSgd(islands=2))
    found = device_memory(MODEL, apart, training)
    more = found.lines["optimizer"] - device_memory(MODEL, together, training).lines["optimizer"]
    assert more == pytest.approx(8 * found.params / (2 if zero else 1), abs=2)


def test_devices_that_the_search_knows_take_the_fastest_that_the_engine_runs() -> None:
    hardware = find_hardware("a100-40")
    workload = replace(WORKLOAD, precision="bf16")
    found = layouts_of(workload, 8, hardware)
    problem = Problem(MODEL, workload.rows, 64, hardware, 8, "bf16")
    times = [assess(problem, layout).step_s for layout in found]
    assert times == sorted(times)
    assert {layout.world_size for layout in found} == {8}
    assert {layout.zero for layout in found} == {0, 1, 2, 3}
    assert len({(layout.dp, layout.tp, layout.pp) for layout in found}) > 3


@pytest.mark.parametrize(("attention", "is_shared"), [("full", True), ("sliding_window", False)])
def test_what_the_engine_refuses_is_not_taken(attention: str, is_shared: bool) -> None:
    """Context ranks share attention to all tokens alone."""
    model = MODEL.model_copy(update={"attention": attention, "max_seq_len": 8192})
    long = Workload(model, "bf16", "sdpa", 1, 8, RowLengths.causal(8192), document_mask=False, recompute="full")
    found = layouts_of(long, 8, find_hardware("a100-40"))
    assert any(layout.cp > 1 for layout in found) == is_shared
