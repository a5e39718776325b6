from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.train.parallel.config import PipelineSchedule
from groundup.train.parallel.pipeline.bubble import bubble_share, timeline
from groundup.train.parallel.pipeline.schedules import ORDERS
from groundup.train.parallel.pipeline.split import CHUNKS

EXACT = 1e-12


@pytest.mark.parametrize(("pp", "rounds"), [(2, 1), (2, 5), (4, 1), (4, 8), (8, 2)])
def test_bubbles_are_those_of_the_papers(pp: int, rounds: int) -> None:
    """(p - 1) / (m + p - 1) (Huang et al. 2019), m being v m with v stages a rank (Narayanan et al. 2021, section 2.2).

    And a third of the bubble with gradients of weights in it (Qi et al. 2024, table 2: (p - 1) (T_F + T_B - T_W) for ZB-H1).
    """
    count, wait = pp * rounds, pp - 1
    assert bubble_share("gpipe", pp, count) == pytest.approx(wait / (count + wait), abs=EXACT)
    assert bubble_share("1f1b", pp, count) == pytest.approx(wait / (count + wait), abs=EXACT)
    assert bubble_share("interleaved", pp, count) == pytest.approx(wait / (CHUNKS * count + wait), abs=EXACT)
    assert bubble_share("zero_bubble", pp, count) == pytest.approx(wait / (3 * count + wait), abs=EXACT)


@given(st.sampled_from(get_args(PipelineSchedule)), st.sampled_from([2, 3, 4]), st.integers(1, 4))
def test_every_pass_is_made_once_when_it_can_be(schedule: PipelineSchedule, pp: int, rounds: int) -> None:
    ranks = timeline(schedule, pp, pp * rounds)
    passes = [each for rank in ranks for each in rank]
    stages = pp * (CHUNKS if schedule == "interleaved" else 1)
    ends = {(each.kind, each.stage, each.micro_batch): each.end for each in passes}
    assert len(ends) == len(passes)
    for each in passes:
        if each.kind == "F" and each.stage:
            assert ends["F", each.stage - 1, each.micro_batch] <= each.start
        if each.kind in "BI" and each.stage < stages - 1:
            after = [
                ends[kind, each.stage + 1, each.micro_batch] for kind in "BI" if (kind, each.stage + 1, each.micro_batch) in ends
            ]
            assert after[0] <= each.start
    for stage in range(stages):
        for number in range(pp * rounds):
            made = {kind for kind in "FBIW" if (kind, stage, number) in ends}
            assert made in ({"F", "B"}, {"F", "I", "W"})


def test_one_forward_one_backward_holds_fewer_micro_batches_than_all_forwards_first() -> None:
    def most_held(schedule: PipelineSchedule) -> int:
        held = most = 0
        for each in timeline(schedule, 4, 16)[0]:
            held += {"F": 1, "B": -1}[each.kind]
            most = max(most, held)
        return most

    assert most_held("gpipe") == 16
    assert most_held("1f1b") == 4


def test_every_schedule_has_an_order() -> None:
    assert set(ORDERS) == set(get_args(PipelineSchedule))
