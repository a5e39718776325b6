"""Plans of many processes: memory of each, time of all."""

import re
from dataclasses import replace

import pytest

from formula_probe import OVERHEAD_S, SPEED, FormulaProbe, plan_config, situation
from groundup.artifacts.plan import Decisions, Forecast
from groundup.core.errors import BudgetError
from groundup.core.world import World
from groundup.estimate.hardware import find_hardware
from groundup.plan.choose import build_workload
from groundup.plan.config import PlanConfig, SizeConfig
from groundup.plan.derive import derive
from groundup.plan.processes import Processes
from groundup.plan.room import MEMORY_SHARE, placed
from groundup.plan.shapes import family
from groundup.plan.situation import Situation
from groundup.train.parallel.config import Layout

ROWS, SEQ_LEN = 16, 256
LARGE = SizeConfig(dim=1024, num_layers=12)


def config(size: SizeConfig | None = None, **train: object) -> PlanConfig:
    settings = {"steps": 20, "precision": "fp32", "attention": "sdpa", "micro_batch": 2, "checkpoint_steps": 10}
    return plan_config(None, size or LARGE, seq_len=SEQ_LEN, batch_tokens=ROWS * SEQ_LEN, **{**settings, **train})


def on(processes: Processes, memory_bytes: int = 10**12) -> Situation:
    return replace(situation(memory_bytes=memory_bytes), processes=processes)


def needed(processes: Processes) -> int:
    """Return the memory of a machine that a process of each machine fits on."""
    here, asked = on(processes), config()
    (model,) = family(asked.model, here.vocab_size, SEQ_LEN)
    total = placed(build_workload(model, asked.pretrain, here, "fp32"), asked.pretrain, here).total
    return int((total - here.held_bytes) / MEMORY_SHARE) + 1


def planned(processes: Processes, memory_bytes: int = 10**12, size: SizeConfig = LARGE) -> tuple[Decisions, Forecast]:
    return derive(config(size), on(processes, memory_bytes), FormulaProbe())


def test_a_model_that_fits_no_process_alone_is_planned_for_many() -> None:
    alone, shared = needed(Processes()), needed(Processes(Layout(dp=4, zero=3), 4))
    between = (alone + shared) // 2
    with pytest.raises(BudgetError, match=r"needs .* of memory; "):
        planned(Processes(), between)
    _, forecast = planned(Processes("auto", 4), between)
    assert forecast.processes == 4
    assert forecast.layout is not None
    assert forecast.layout["dp"] == 4
    assert forecast.layout["zero"] > 0
    parts = {name: size for name, size in forecast.memory_bytes.items() if name != "total"}
    assert forecast.memory_bytes["total"] == sum(parts.values()) <= 300_000_000 + MEMORY_SHARE * between
    assert any("on 4 processes: parallel=auto: a process takes" in reason for reason in forecast.why)
    with pytest.raises(BudgetError, match=r"memory a process with dp=4, zero=0.*; set parallel.zero=[123] \("):
        planned(Processes(Layout(dp=4), 4), between)


def test_processes_of_one_machine_share_its_memory() -> None:
    enough = needed(Processes())
    assert planned(Processes(Layout(dp=1), 1), enough)[1].layout is None
    with pytest.raises(BudgetError, match=r"85% of what is available to each of 2 processes"):
        planned(Processes("auto", 2, local=2), enough)


@pytest.mark.parametrize(
    ("local", "threads", "cores", "times"), [(2, 2, 2, 2), (2, 1, 2, 1), (2, 1, 1, 2), (1, 2, 2, 1)],
    ids=["the cores of one are divided", "each has a core", "both have one core", "each has a machine"],
)  # fmt: skip
def test_processes_of_one_machine_share_its_cores(local: int, threads: int, cores: int, times: int) -> None:
    """Each computes half of the batch; where they share cores they take turns."""
    size = SizeConfig(dim=128, num_layers=2)
    _, alone = planned(Processes(), size=size)
    decisions, forecast = planned(Processes("auto", 2, local, threads=threads, cores=cores), size=size)
    half = ROWS // 2 * SEQ_LEN * forecast.flops_per_token / SPEED
    assert forecast.step_s == pytest.approx(times * (OVERHEAD_S + half))
    assert forecast.mfu == pytest.approx(alone.mfu * alone.step_s / forecast.step_s * times / 2)
    assert decisions.steps == 20
    assert any(reason.startswith("step time of 2 processes") for reason in forecast.why)


def test_steps_that_all_took_together_are_not_corrected() -> None:
    """What one by itself would take plays no part in it; where they cannot, it does."""
    size, three_times = SizeConfig(dim=128, num_layers=2), 3.0
    here = on(Processes("auto", 2, local=2, threads=2, cores=2))
    asked: list[Layout] = []

    def together(layout: Layout) -> FormulaProbe:
        asked.append(layout)
        return FormulaProbe(slowdown=three_times)

    decisions, forecast = derive(config(size), here, FormulaProbe(), together=together)
    half = ROWS // 2 * SEQ_LEN * forecast.flops_per_token / SPEED
    assert forecast.step_s == pytest.approx(three_times * (OVERHEAD_S + half))
    assert [layout.dp for layout in asked] == [2]
    assert any("took those steps together" in reason for reason in forecast.why)
    by_itself = derive(config(size), here, FormulaProbe(), together=lambda layout: None)
    assert by_itself == derive(config(size), here, FormulaProbe())
    assert by_itself[0] == decisions
    assert derive(config(size), on(Processes()), FormulaProbe(), together=together)[1].step_s < forecast.step_s
    assert len(asked) == 1, "one process asks nobody"


def test_what_is_decided_does_not_depend_on_the_processes() -> None:
    """The same run may go on at another size."""
    asked = plan_config(None, SizeConfig(dim=64, num_layers=2), seq_len=SEQ_LEN, batch_tokens=12 * SEQ_LEN, steps=20)
    alone, _ = derive(asked, on(Processes()), FormulaProbe())
    shared, _ = derive(asked, on(Processes("auto", 4, local=4)), FormulaProbe())
    assert alone == shared
    assert alone.micro_batch > 3, "more rows than a rank reads"


def test_accelerators_take_what_the_layout_foresees() -> None:
    processes = Processes("auto", 8, 8, find_hardware("a100-40"))
    large = SizeConfig(dim=1024, num_layers=12)
    given = replace(on(processes), device="cuda")
    _, forecast = derive(config(large, precision="bf16"), given, FormulaProbe())
    _, alone = derive(config(large, precision="bf16"), replace(given, processes=Processes()), FormulaProbe())
    assert forecast.hardware is not None
    assert alone.step_s / 8 < forecast.step_s < alone.step_s
    assert any(re.search(r"step time of 8 processes .* plan layout foresees", reason) for reason in forecast.why)


def test_the_processes_are_those_of_the_launch_or_of_the_layout() -> None:
    launch = World(0, 8, 0, local_size=4)
    assert Processes.of("auto", launch, "cpu") == Processes("auto", 8, 4)
    assert Processes.of(None, None, "cpu") == Processes()
    assert Processes.of(Layout(dp=2, tp=2), None, "cpu").sharing == 4
    assert Processes("auto", 8, 4, threads=4, cores=4).machines == 2
