"""Decisions on a machine whose speeds are given by formula, so that they can be checked exactly."""

import io
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from formula_probe import HELD_BY_THE_COMPILER, OVERHEAD_S, SHARE, SPEED, FormulaProbe, plan_config, situation
from groundup.core.errors import BudgetError, ConfigError
from groundup.estimate.laws import SMALL_RUNS
from groundup.estimate.memory import training_memory
from groundup.nn.config import ModelConfig
from groundup.plan.config import SizeConfig
from groundup.plan.derive import derive
from groundup.plan.room import divisors
from groundup.plan.run import render
from groundup.train.config import MAX_BATCH_TOKENS


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 7])
def test_the_planned_model_is_never_stepped(layers):
    probe = FormulaProbe()
    decisions, _ = derive(plan_config(size=SizeConfig(dim=128, num_layers=layers)), situation(), probe)
    target = ModelConfig.model_validate(decisions.model)
    assert probe.seen
    assert all(workload.model != target for workload in probe.seen)


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 7])
def test_step_time_lies_on_the_line_through_the_probes(layers):
    config = plan_config(size=SizeConfig(dim=128, num_layers=layers))
    _, forecast = derive(config, situation(), FormulaProbe())
    tokens_s = 4096 * forecast.flops_per_token / SPEED
    assert forecast.step_s == pytest.approx(OVERHEAD_S + tokens_s)
    assert forecast.mfu == pytest.approx(4096 * forecast.flops_per_token / forecast.step_s / 8e11)


def test_memory_has_the_measured_share_of_the_allocator():
    _, forecast = derive(plan_config(), situation(), FormulaProbe())
    memory = forecast.memory_bytes
    passing = memory["activations"] + memory["weight_copies"] + memory["loss"]
    assert memory["allocator"] == pytest.approx(SHARE * passing, rel=1e-3)
    assert memory["process"] == 300_000_000


@pytest.mark.parametrize(("device", "held"), [("cpu", 300_000_000), ("mps", 300_000_000), ("cuda", 0)])
def test_the_process_counts_where_tensors_live_in_its_memory(device, held):
    config = plan_config(None, SizeConfig(dim=128, num_layers=2), steps=20, micro_batch=4)
    decisions, forecast = derive(config, situation(device=device), FormulaProbe())
    parts = {name: size for name, size in forecast.memory_bytes.items() if name != "total"}
    assert parts["process"] == held
    assert forecast.memory_bytes["total"] == sum(parts.values())
    words = [reason for reason in forecast.why if reason.startswith("memory")]
    assert ("the process with its libraries" in words[0]) == bool(held)
    table = Console(width=300, file=io.StringIO())
    table.print(render(decisions, forecast))
    assert ("process 300 MB" in table.file.getvalue()) == bool(held)
    assert "process 0" not in table.file.getvalue()


def test_the_same_situation_gives_the_same_plan():
    assert derive(plan_config(), situation(), FormulaProbe()) == derive(plan_config(), situation(), FormulaProbe())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 600), st.floats(1.0, 20.0))
def test_more_time_never_buys_less_compute(minutes, factor):
    _, less = derive(plan_config(minutes), situation(), FormulaProbe())
    _, more = derive(plan_config(minutes * factor), situation(), FormulaProbe())
    assert more.params >= less.params
    assert more.flops >= less.flops * 0.98  # a larger model may lose a last, partial step


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 600))
def test_the_plan_keeps_to_the_budget(minutes):
    _, forecast = derive(plan_config(minutes), situation(), FormulaProbe())
    assert 0.9 * minutes * 60 - 5 <= forecast.train_s <= minutes * 60 + 1


def test_every_choice_is_explained():
    _, forecast = derive(plan_config(), situation(), FormulaProbe())
    for word in ("precision", "model", "micro-batch", "attention", "step time", "memory", "steps", "loss"):
        assert any(reason.startswith(word) for reason in forecast.why), word


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 16), st.integers(1, 8), st.integers(1, 5000), st.integers(300, 50_000))
def test_a_forecast_loss_is_better_than_guessing_or_left_out(width, layers, steps, vocab_size):
    config = plan_config(None, SizeConfig(dim=32 * width, num_layers=layers), steps=steps)
    given_ = replace(situation(memory_bytes=10**12), vocab_size=vocab_size)
    _, forecast = derive(config, given_, FormulaProbe())
    assert forecast.loss is None or SMALL_RUNS.E < forecast.loss < math.log(vocab_size)


@pytest.mark.parametrize(
    ("dim", "layers", "steps", "vocab_size", "known"),
    [(192, 3, 1000, 4096, True), (64, 2, 1000, 4096, False), (192, 3, 20, 4096, False), (192, 3, 1000, 512, False)],
    ids=["a run like those of the law", "a tiny model", "a short run", "another vocabulary"],
)
def test_the_loss_is_forecast_within_the_fitted_range_alone(dim, layers, steps, vocab_size, known):
    config = plan_config(None, SizeConfig(dim=dim, num_layers=layers), steps=steps)
    decisions, forecast = derive(config, replace(situation(), vocab_size=vocab_size), FormulaProbe())
    assert (forecast.loss is not None) == known
    assert any("outside the fitted range: 900k to 4.2M parameters and 250k to 4.7M" in reason for reason in forecast.why) != known
    table = Console(width=200, file=io.StringIO())
    table.print(render(decisions, forecast))
    assert ("no forecast: outside the fitted range" in table.file.getvalue()) != known


def test_fixed_size_and_steps_are_kept_and_predicted():
    size = SizeConfig(dim=96, num_layers=5, num_heads=3)
    config = plan_config(None, size, steps=123, precision="fp32", attention="matmul", micro_batch=4, checkpoint_steps=50)
    decisions, forecast = derive(config, situation(), FormulaProbe())
    assert (decisions.model["dim"], decisions.model["num_layers"], decisions.steps) == (96, 5, 123)
    assert (decisions.precision, decisions.attention, decisions.micro_batch, decisions.checkpoint_steps) == (
        "fp32",
        "matmul",
        4,
        50,
    )
    assert forecast.train_s > 123 * forecast.step_s
    assert forecast.tokens == 123 * 4096


def test_what_the_recipe_fixes_does_not_depend_on_the_machine():
    size = SizeConfig(dim=96, num_layers=5, num_heads=3)
    config = plan_config(None, size, steps=123, precision="fp32", attention="sdpa", micro_batch=4, checkpoint_steps=50)
    one, _ = derive(config, situation(), FormulaProbe())
    other, _ = derive(config, situation(bf16=1e9), FormulaProbe(slowdown=3))
    assert one == other


@pytest.mark.parametrize(("bf16", "precision"), [(8e11, "bf16"), (2.1e11, "fp32"), (1e9, "fp32")])
def test_precision_follows_the_measured_peak(bf16, precision):
    decisions, _ = derive(plan_config(), situation(bf16=bf16), FormulaProbe())
    assert decisions.precision == precision


def test_float16_is_taken_where_the_recipe_says_so_and_the_device_has_it():
    given_ = situation()
    with pytest.raises(ConfigError, match=r"precision='fp16': torch does not .* device 'cpu', only fp32, bf16; set .* to auto"):
        derive(plan_config(precision="fp16"), given_, FormulaProbe())
    speeds = given_.machine.matmul_peak_flops_per_s | {"fp16": 1e13}
    fast = replace(given_, machine=given_.machine.model_copy(update={"matmul_peak_flops_per_s": speeds}))
    assert derive(plan_config(precision="fp16"), fast, FormulaProbe())[0].precision == "fp16"
    assert derive(plan_config(), fast, FormulaProbe())[0].precision == "bf16"


@pytest.mark.parametrize(("slowdown", "attention"), [(1.0, "matmul"), (1.1, "matmul"), (1.3, "sdpa")])
def test_only_a_clear_gain_overturns_the_attention_rule(slowdown, attention):
    decisions, _ = derive(plan_config(precision="bf16"), situation(), FormulaProbe("matmul", slowdown))
    assert decisions.attention == attention


@pytest.mark.parametrize(
    ("asked", "minutes", "factor", "compiler", "compiled", "reason"),
    [
        ("auto", 20, 0.8, "g++ 12", True, "compile on: a step of 1 layer"),
        ("auto", 20, 0.99, "g++ 12", False, "compile off: a step of 1 layer"),
        ("auto", 2, 0.8, "g++ 12", False, "too short to pay"),
        ("auto", 20, 0.8, None, False, "no C\\+\\+ compiler; install one"),
        ("off", 20, 0.8, "g++ 12", False, "as the recipe says"),
        ("on", 2, 1.5, "g++ 12", True, "as the recipe says"),
    ],
)
def test_compiling_is_decided_once_by_what_it_gains(asked, minutes, factor, compiler, compiled, reason):
    given_ = replace(situation(), compiler=compiler)
    decisions, forecast = derive(plan_config(minutes, compile=asked), given_, FormulaProbe(compiled=factor))
    assert decisions.compiled == compiled
    (why,) = (why for why in forecast.why if why.startswith("compile"))
    assert re.search(reason, why)
    assert forecast.memory_bytes["process"] == 300_000_000
    assert forecast.memory_bytes.get("compiler", 0) == (HELD_BY_THE_COMPILER - 300_000_000 if compiled else 0)
    assert forecast.train_s <= minutes * 60


def test_compiling_without_a_compiler_is_refused():
    with pytest.raises(ConfigError, match=r"pretrain.compile='on' needs a C\+\+ compiler .* set pretrain.compile to auto"):
        derive(plan_config(compile="on"), situation(), FormulaProbe())


def test_the_rough_length_of_a_run_of_steps_decides_as_well():
    size = SizeConfig(dim=384, num_layers=6)
    given_ = replace(situation(), compiler="g++ 12")
    for steps, compiled in ((20, False), (20_000, True)):
        decisions, _ = derive(plan_config(None, size, steps=steps), given_, FormulaProbe(compiled=0.8))
        assert decisions.compiled == compiled


def test_long_sequences_take_the_fused_kernel():
    decisions, _ = derive(plan_config(seq_len=1024, batch_tokens=4096, precision="bf16"), situation(seq_len=1024), FormulaProbe())
    assert decisions.attention == "sdpa"


def test_micro_batch_shrinks_until_it_fits():
    size = SizeConfig(dim=256, num_layers=4)
    roomy, _ = derive(plan_config(size=size), situation(), FormulaProbe())
    tight, _ = derive(plan_config(size=size), situation(memory_bytes=300_000_000), FormulaProbe())
    assert tight.micro_batch < roomy.micro_batch == 8
    assert 16 % tight.micro_batch == 0


@given(st.integers(1, 3000))
def test_divisors_are_all_there_and_rise(number):
    assert divisors(number) == [divisor for divisor in range(1, number + 1) if number % divisor == 0]


@pytest.mark.parametrize("number", [MAX_BATCH_TOKENS, MAX_BATCH_TOKENS - 5])
def test_divisors_of_the_largest_batch_are_found_in_the_square_root_of_its_size(number, monkeypatch):
    tried = []
    monkeypatch.setattr("groundup.plan.room.range", lambda *ends: tried.append(ends) or range(*ends), raising=False)
    assert divisors(number)[-1] == number
    assert sum(stop - start for start, stop in tried) <= 1 << 16


def test_a_gpu_takes_the_whole_batch_at_once():
    decisions, _ = derive(plan_config(), situation(device="cuda"), FormulaProbe())
    assert decisions.micro_batch == 16


def test_a_model_that_does_not_fit_names_both_sizes_and_one_that_does():
    config = plan_config(size=SizeConfig(dim=1024, num_layers=24))
    with pytest.raises(
        BudgetError, match=r"needs \d.* GB of memory; 850 MB may be used.*fits: model.dim=\d+, model.num_layers=\d+"
    ):
        derive(config, situation(memory_bytes=10**9), FormulaProbe())


CAPPED = {"size": SizeConfig(dim=256, num_layers=4), "precision": "fp32"}


@given(st.integers(480, 1500))
@settings(max_examples=25, deadline=None)
def test_under_a_cap_the_largest_wanted_micro_batch_that_fits_is_taken(megabytes):
    """Its peak is the whole process's, the copy that checkpoints are written from included."""
    cap = megabytes * 10**6
    decisions, forecast = derive(plan_config(**CAPPED, memory_cap=cap), situation(), FormulaProbe())
    assert forecast.memory_bytes["total"] <= cap
    if decisions.micro_batch < 8:
        larger = plan_config(**CAPPED, memory_cap=cap, micro_batch=2 * decisions.micro_batch)
        with pytest.raises(BudgetError):
            derive(larger, situation(), FormulaProbe())


def test_a_cap_beyond_the_machine_is_no_more_than_the_machine():
    given_ = situation(memory_bytes=400_000_000)
    _, forecast = derive(plan_config(**CAPPED, memory_cap="1TB"), given_, FormulaProbe())
    assert forecast.memory_bytes["total"] <= 300_000_000 + 400_000_000


def test_a_micro_batch_that_turns_out_too_large_when_measured_is_made_smaller():
    class Wasteful(FormulaProbe):
        """An allocator that leaves more gaps than the plan supposes."""

        def memory_growth(self, workload):
            return training_memory(workload, 0, 1.4)["total"]

    cap = 800_000_000
    usual, _ = derive(plan_config(**CAPPED, memory_cap=cap), situation(), FormulaProbe())
    wasteful, forecast = derive(plan_config(**CAPPED, memory_cap=cap), situation(), Wasteful())
    assert wasteful.micro_batch < usual.micro_batch
    assert forecast.memory_bytes["total"] <= cap
    assert any(re.search(r"micro-batch \d: 8 would take .* 800 MB may be used", reason) for reason in forecast.why)


def test_a_cap_that_nothing_fits_under_names_what_would_and_that_does():
    asked = {"memory_cap": "600MB", "micro_batch": 8}
    with pytest.raises(
        BudgetError, match=r"needs 758 MB of memory; 600 MB may be used \(pretrain.memory_cap=600,000,000"
    ) as caught:
        derive(plan_config(**CAPPED, **asked), situation(), FormulaProbe())
    ways = [dict(re.findall(r"pretrain\.(\w+)=(\w+)", way)) for way in str(caught.value).split(";")[2:]]
    assert [sorted(way) for way in ways] == [["micro_batch"], ["micro_batch", "recompute"], ["recompute"], ["micro_batch"]]
    assert "model.dim=192" in str(caught.value)
    for way in ways[:3]:
        _, forecast = derive(plan_config(**CAPPED, **(asked | way)), situation(), FormulaProbe())
        assert forecast.memory_bytes["total"] <= 600_000_000


def test_no_memory_at_all_is_said():
    with pytest.raises(BudgetError, match="free some memory"):
        derive(plan_config(), situation(memory_bytes=10**6), FormulaProbe())


def test_a_budget_for_no_steps_names_the_least_that_is_needed():
    config = plan_config(minutes=0.001, size=SizeConfig(dim=256, num_layers=4))
    with pytest.raises(
        BudgetError, match=r"budget.minutes=0.001 buys \d optimizer steps.*set budget.minutes to 0\.0\d+ or more"
    ) as caught:
        derive(config, situation(), FormulaProbe())
    needed = float(str(caught.value).split("set budget.minutes to ")[1].split(" ")[0])
    decisions, _ = derive(plan_config(minutes=needed, size=SizeConfig(dim=256, num_layers=4)), situation(), FormulaProbe())
    assert decisions.steps >= 10


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(ConfigError, match=r"dim=100.*num_heads=3"):
        SizeConfig.parse({"dim": 100, "num_layers": 2, "num_heads": 3}, "model")
    with pytest.raises(ConfigError, match=r"num_heads=1 .*num_kv_heads=3"):
        derive(plan_config(size=SizeConfig(dim=50, num_layers=2, num_kv_heads=3)), situation(), FormulaProbe())


def test_plans_count_the_state_of_the_optimizer():
    size = SizeConfig(dim=128, num_layers=2)
    state = {}
    for name in ("adamw", "lion", "muon", "adafactor"):
        config = plan_config(size=size, optimizer={"name": name, "learning_rate": 0.1})
        _, forecast = derive(config.model_copy(update={"pretrain": config.pretrain.sized()}), situation(), FormulaProbe())
        state[name] = forecast.memory_bytes["optimizer"]
    assert state["adafactor"] < state["lion"] < state["muon"] < state["adamw"]
    assert state["lion"] == 4 * forecast.params
