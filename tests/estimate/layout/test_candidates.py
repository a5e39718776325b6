"""What divides, and what is said of what does not."""

import math
import re

import pytest

from groundup.core.errors import ConfigError
from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.candidates import candidates, divisors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.rows import RowLengths
from groundup.nn.presets import find_preset

A100 = find_hardware("a100-80")


def problem(model: str = "llama2-7b", devices: int = 16, batch: int = 64, seq_len: int = 4096) -> Problem:
    return Problem(find_preset(model).config, RowLengths.causal(seq_len), batch, A100, devices)


def test_every_layout_divides_and_none_is_missing() -> None:
    """Against a walk over all products, for one kind of sharding."""
    asked = problem()
    grid = candidates(asked, {"zero": 1, "recompute": "none", "offload": "none"}).grid
    found = {tuple(map(int, row)) for row in zip(grid.dp, grid.tp, grid.pp, grid.cp, grid.micro_batch, strict=True)}
    walked = {
        (dp, tp, pp, cp, size)
        for dp in range(1, 17)
        for tp in (1, 2, 4, 8)
        for pp in range(1, 17)
        for cp in range(1, 5)
        for size in range(1, 65)
        if dp * tp * pp * cp == 16
        and 64 % dp == 0
        and (64 // dp) % size == 0
        and (32 % pp == 0 or 34 % pp == 0)
        and 4096 % cp == 0
        and 4096 // cp >= 1024
    }
    assert found == walked
    assert len(found) == len(grid)


def test_states_are_shared_in_every_way_that_divides() -> None:
    grid = candidates(problem(), {"tp": 1, "pp": 1, "cp": 1, "micro_batch": 1, "recompute": "none", "offload": "none"}).grid
    kinds = list(zip(grid.zero.tolist(), grid.shards.tolist(), strict=True))
    assert kinds == [(0, 1), (1, 16), (2, 16), (3, 16), (3, 8), (3, 4), (3, 2)]
    alone = candidates(problem(devices=1), {"recompute": "none", "offload": "none"}).grid
    assert set(alone.zero.tolist()) == {0}


@pytest.mark.parametrize(
    ("asked", "layout", "says"),
    [
        (problem(devices=32), {"tp": 16}, "share a node of 8"),
        (problem("gpt2-xl", seq_len=1024, devices=8), {"tp": 2}, "25 heads do not divide among 2"),
        (problem("llama3-8b", devices=48, batch=48), {"pp": 3}, "32 blocks do not divide into 3 stages"),
        (problem("llama2-7b", devices=64, batch=512), {"pp": 64}, "64 stages, but 32 blocks"),
        (problem(batch=8), {"dp": 16}, "the batch of 8 sequences does not divide among 16 ranks"),
        (problem(devices=16), {"cp": 8}, "leave 512 to a rank, fewer than 1,024"),
        (problem(devices=3, batch=3), {"cp": 3}, "sequences of 4,096 tokens do not divide among 3"),
    ],
)
def test_what_does_not_divide_is_said(asked: Problem, layout: dict[str, int], says: str) -> None:
    reasons = {tuple(each.layout.items()): each.because for each in candidates(asked).rejected}
    assert says in reasons[tuple(layout.items())]


@pytest.mark.parametrize(
    ("asked", "pinned", "says"),
    [
        (problem(), {"tp": 3}, "tp=3 does not divide 16 devices; the nearest below that does is 2"),
        (problem(), {"dp": 32}, "dp=32 does not divide 16 devices; the nearest below that does is 16"),
        (problem(batch=8), {"dp": 16}, "8 devices with this one"),
        (problem(), {"dp": 16, "micro_batch": 3}, "do not divide into micro-batches of 3"),
        (problem(), {"dp": 16, "tp": 2}, "tp=2 x dp=16 = 32 does not divide 16 devices; leave one of them out"),
        (problem("gpt2-xl", devices=7, batch=3, seq_len=1024), {}, "a batch that is a multiple of 7 sequences"),
    ],
)
def test_nothing_divides(asked: Problem, pinned: dict[str, int], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        candidates(asked, pinned)


@pytest.mark.parametrize("number", [1, 12, 97, 384, 4096])
def test_divisors(number: int) -> None:
    found = divisors(number)
    assert found == [each for each in range(1, number + 1) if number % each == 0]
    assert math.prod(found) ** 2 == number ** len(found)
