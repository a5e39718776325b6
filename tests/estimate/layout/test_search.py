"""The search against computing everything, and what it says where nothing fits."""

import re

import pytest

from groundup.core.errors import BudgetError
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.candidates import candidates
from groundup.estimate.layout.curves import by_devices, by_strategy
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.rooms import memory_of
from groundup.estimate.layout.search import assess, best_layout, search
from groundup.estimate.layout.step import step_times
from groundup.estimate.layout.why import why
from groundup.estimate.rows import RowLengths
from groundup.nn.presets import find_preset

A100_40 = find_hardware("a100-40")
SMALL = Problem(find_preset("gpt3-6.7b").config, RowLengths.causal(2048), 16, A100_40, 8)
PINNED = {"cp": 1, "offload": "none"}


def test_the_search_is_the_walk_over_all() -> None:
    """Memory of each layout computed, the fastest of each mesh taken."""
    grid = candidates(SMALL, PINNED).grid
    layouts = [grid.layout(place, "bf16") for place in range(len(grid))]
    fits = [memory_of(SMALL, layout).total <= A100_40.memory_bytes for layout in layouts]
    times = step_times(SMALL, layouts).total_s
    best: dict[tuple[int, ...], float] = {}
    for layout, fit, seconds in zip(layouts, fits, times, strict=True):
        mesh = (layout.dp, layout.tp, layout.pp, layout.cp)
        if fit:
            best[mesh] = min(best.get(mesh, float("inf")), float(seconds))
    found = search(SMALL, 100, PINNED)
    assert (found.considered, found.fitting) == (len(layouts), sum(fits))
    assert 0 < sum(fits) < len(fits)
    assert [each.step_s for each in found.found] == pytest.approx(sorted(best.values()))
    assert {(x.layout.dp, x.layout.tp, x.layout.pp, x.layout.cp) for x in found.found} == set(best)


def test_what_is_said_of_a_layout_adds_up() -> None:
    best = search(SMALL, 1, PINNED).best
    assert sum(best.parts_s.values()) == pytest.approx(best.step_s)
    assert best.tokens_per_s_per_device * best.step_s * 8 == pytest.approx(SMALL.tokens)
    assert best.mfu == pytest.approx(SMALL.model_flops / best.step_s / 8 / 312e12)
    assert best.mfu_interval[0] < best.mfu < best.mfu_interval[1]
    assert best.memory.total <= A100_40.memory_bytes
    assert best.layout == best_layout(SMALL, PINNED)
    assert assess(SMALL, best.layout).step_s == pytest.approx(best.step_s)
    again = assess(SMALL, best.layout.model_copy(update={"recompute": "full"}))
    assert again.hfu / again.mfu == pytest.approx(1 + SMALL.recomputed_flops("full") / SMALL.model_flops)
    words = why(SMALL, best.layout, best.memory.total, best.parts_s, best.mfu)
    assert f"{best.parts_s['compute_s'] / best.step_s:.0%} of the step" in words


def test_what_is_rejected_for_memory_does_not_fit() -> None:
    reasons = [each for each in search(SMALL, 1, PINNED).rejected if each.because.startswith("needs ")]
    assert reasons
    for each in reasons[:10]:
        needed = float(re.search(r"needs ([\d.]+) GiB of 39\.4 GiB", each.because).group(1))  # type: ignore[union-attr]
        assert needed > 39.3


def test_nothing_fits_and_the_ways_out_are_ways_out() -> None:
    with pytest.raises(BudgetError, match="offload=") as caught:
        search(SMALL.on(2), 1, {"offload": "none"})
    devices = int(re.search(r"(\d+) devices", str(caught.value).split("nearest that fits")[1]).group(1))  # type: ignore[union-attr]
    assert search(SMALL.on(devices), 1, {"offload": "none"}).best.memory.total <= A100_40.memory_bytes
    assert devices > 2


def test_a_smaller_micro_batch_is_a_way_out() -> None:
    fixed = {"micro_batch": 16, "recompute": "none", "tp": 1, "pp": 1, "cp": 1, "offload": "none"}
    with pytest.raises(BudgetError, match="micro_batch="):
        search(SMALL.on(8, 128), 1, fixed)


def test_curves_rise_and_strategies_need_less_and_less() -> None:
    points = by_devices(SMALL.on(4, 8))
    assert [point.devices for point in points] == sorted(point.devices for point in points)
    assert all(point.low < point.tokens_per_s < point.high for point in points)
    speeds = [point.tokens_per_s for point in points]
    assert speeds == sorted(speeds)
    strategies = {each.name: each for each in by_strategy(SMALL)}
    needs = [strategies[name].memory.total for name in ("DDP", "ZeRO-1", "ZeRO-2", "FSDP (ZeRO-3)", "FSDP (ZeRO-3), recompute")]
    assert needs == sorted(needs, reverse=True)
    assert strategies["FSDP (ZeRO-3)"].fits
    assert not strategies["DDP"].fits
