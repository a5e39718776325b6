from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.estimate.flops import block_flops, flops_per_row, head_flops
from groundup.estimate.rows import RowLengths
from groundup.nn.transformer import build_model
from groundup.train.parallel.config import Layout
from groundup.train.parallel.pipeline.split import Part, even_cut, parts
from staged_models import KINDS, config


def pieces(costs: list[int], ends: list[int]) -> list[int]:
    return [sum(costs[start:stop]) for start, stop in zip([0, *ends[:-1]], ends, strict=True)]


@given(st.data())
def test_a_cut_is_the_best_of_all(data: st.DataObject) -> None:
    """By its dearest piece, then by the squares of all: against every cut there is."""
    costs = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    count = data.draw(st.integers(1, len(costs)))
    every = [[*ends, len(costs)] for ends in combinations(range(1, len(costs)), count - 1)]
    found = even_cut(costs, count)
    assert found in every

    def price(ends: list[int]) -> tuple[int, int]:
        sums = pieces(costs, ends)
        return max(sums), sum(each**2 for each in sums)

    assert price(found) == min(map(price, every))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", [Layout(pp=2), Layout(pp=2, schedule="interleaved"), Layout(pp=4)])
def test_stages_hold_every_weight_and_each_block_once(kind: str, layout: Layout) -> None:
    given_config = config(kind)
    stages = parts(given_config, layout)
    for name, _ in build_model(given_config).named_parameters():
        holding = [part.stage for part in stages if part.holds(name, given_config)]
        assert holding
        assert len(holding) == 1 or ".blocks." not in name
    assert [part.is_last for part in stages] == [False] * (len(stages) - 1) + [True]


def test_the_last_stage_has_fewer_blocks_for_the_head() -> None:
    small = config("rope, own head").model_copy(update={"num_layers": 24, "vocab_size": 8_000})
    rows = RowLengths.causal(small.max_seq_len)
    block = block_flops(small, rows)[0]
    stages = parts(small, Layout(pp=4))
    blocks = [len(part.runs[0].blocks) for part in stages]
    assert sum(blocks) == 24
    head = head_flops(small, rows) / block
    assert blocks[-1] == max(1, round((24 + head) / 4 - head))
    assert sum(block_flops(small, rows)) + head_flops(small, rows) == flops_per_row(small, rows)


def test_an_encoders_result_goes_on_into_the_decoder() -> None:
    stages = parts(config("more encoder"), Layout(pp=2))
    assert [[(run.stack, run.blocks, run.begins, run.ends) for run in part.runs] for part in stages] == [
        [("encoder", range(4), True, True)],
        [("decoder", range(2), True, True)],
    ]
    stages = parts(config("more decoder"), Layout(pp=2))
    assert [[(run.stack, run.blocks, run.begins, run.ends) for run in part.runs] for part in stages] == [
        [("encoder", range(1), True, True), ("decoder", range(2), True, False)],
        [("decoder", range(2, 4), False, True)],
    ]


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(pp=5), "parallel.pp=5 is more than the 4 blocks"),
        (Layout(pp=3, schedule="interleaved"), "parallel.pp to at most 2"),
    ],
)
def test_a_pipeline_longer_than_the_model_is_an_error(layout: Layout, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parts(config("learned"), layout)


def test_what_is_shared_lies_where_it_is_needed() -> None:
    """A tied embedding with the head, a table of distances with every block of its stack, added positions with the first alone."""
    tied, own, distances = config("learned"), config("rope, own head"), config("t5_bias, embedding norm")

    def holding(name: str, stages: list[Part], given_config: object) -> list[int]:
        return [part.stage for part in stages if part.holds(name, given_config)]  # type: ignore[arg-type]

    stages = parts(tied, Layout(pp=4))
    assert holding("embedding.weight", stages, tied) == [0, 3]
    assert holding("embedding.weight", stages, own) == [0]
    assert holding("decoder.position.table.weight", stages, tied) == [0]
    assert holding("decoder.position.table.weight", stages, distances) == [0, 1, 2, 3]
