"""The time of a step against formulas of the papers, written out slowly, and against itself layout by layout."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.estimate.hardware import find_hardware
from groundup.estimate.layout.communication import data_parallel_s, held_parameters, pipeline_s, tensor_parallel_s
from groundup.estimate.layout.grid import Grid
from groundup.estimate.layout.links import Links
from groundup.estimate.layout.priors import HOP_S, LINK_SHARE, Priors, priors_file, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.stages import busiest_stages, divides
from groundup.estimate.layout.step import step_times
from groundup.estimate.layout.work import work_of
from groundup.estimate.parameters import count_parameters, total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.presets import find_preset
from groundup.train.parallel.config import Layout

A100 = find_hardware("a100-80")
SEQ_LEN, BATCH = 2048, 256
GPT = Problem(find_preset("gpt3-6.7b").config, RowLengths.causal(SEQ_LEN), BATCH, A100, 64, engine="published")
T5 = Problem(find_preset("t5-large").config, RowLengths(626, 512, 114, 114), BATCH, A100, 64, engine="published")
OURS = [replace(each, engine="groundup") for each in (GPT, T5)]
EQUAL = 1e-12
ROUNDING = 1e-9

layouts = st.builds(
    lambda dp, tp, pp, cp, zero, micro_batch, recompute, offload, schedule, share, reshards: Layout(
        dp=dp,
        tp=tp,
        pp=pp,
        cp=cp,
        zero=zero,
        sharding_factor=max(1, dp // share) if zero == 3 else None,
        micro_batch=micro_batch,
        recompute=recompute,
        offload=offload,
        schedule=schedule if pp > 1 else None,
        reshard_after_forward=reshards if zero == 3 else None,
    ),
    st.sampled_from([1, 2, 8, 32]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2]),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(["none", "selective", "full"]),
    st.sampled_from(["none", "optimizer", "all"]),
    st.sampled_from(["gpipe", "1f1b", "interleaved", "zero_bubble"]),
    st.sampled_from([1, 2]),
    st.sampled_from([None, False, True]),
)


def one(problem: Problem, **keys: Any) -> dict[str, float]:
    return step_times(problem, [Layout(**keys)]).parts(0)


@settings(max_examples=30, deadline=None)
@given(st.lists(layouts, min_size=2, max_size=12), st.sampled_from([GPT, T5, *OURS]))
def test_many_at_once_are_each_alone(several: list[Layout], problem: Problem) -> None:
    together = step_times(problem, several)
    for place, layout in enumerate(several):
        alone = step_times(problem, [layout])
        assert together.parts(place) == pytest.approx(alone.parts(0), rel=EQUAL)
        assert float(together.total_s[place]) == pytest.approx(float(alone.total_s[0]), rel=EQUAL)


@settings(max_examples=30, deadline=None)
@given(layouts)
def test_a_layout_comes_back_from_its_columns(layout: Layout) -> None:
    back = Grid.of([layout]).layout(0, layout.precision)
    assert vars(Grid.of([back])) == vars(Grid.of([layout]))


def ring_s(ranks: int, in_node: int, num_bytes: float, calls: float = 1.0) -> float:
    """Return the time of a gather: n - 1 steps, each moving a part; between nodes all ranks of one drive their adapters."""
    if ranks == 1:
        return 0.0
    nodes = math.ceil(ranks / in_node)
    speed = A100.intra_node_bytes_per_s
    hops = (ranks - 1) * HOP_S["intra"]
    if nodes > 1:
        speed = min(speed, in_node * A100.inter_node_bytes_per_s)
        hops = (ranks - nodes) * HOP_S["intra"] + nodes * HOP_S["inter"]
    return sum(num_bytes / ranks / (LINK_SHARE * speed) for _ in range(ranks - 1)) + calls * hops


@pytest.mark.parametrize(("ranks", "stride", "in_node"), [(1, 1, 1), (8, 1, 8), (2, 4, 2), (64, 1, 8), (8, 8, 1), (16, 4, 2)])
def test_a_ring_moves_each_part_to_each_rank(ranks: int, stride: int, in_node: int) -> None:
    links = Links(A100, np.array([ranks]), np.array([stride]))
    assert links.gather_s(1e9)[0] == pytest.approx(ring_s(ranks, in_node, 1e9), rel=ROUNDING)
    assert links.reduce_s(1e9, 3)[0] == pytest.approx(2 * ring_s(ranks, in_node, 1e9, 3), rel=ROUNDING)


def volume(problem: Problem, **keys: Any) -> float:
    """Return the bytes that a rank sends for data parallelism in a step, all ranks in one node and hops taking no time."""
    layout = Layout(**keys)
    grid = Grid.of([layout])
    stages = busiest_stages(32, 1.0, grid.pp)
    sent = data_parallel_s(problem, grid, stages)
    passes = problem.batch_sequences / layout.dp / layout.micro_batch
    seconds = float(passes * sent.every_pass_s[0] + sent.once_s[0])
    return seconds * LINK_SHARE * problem.hardware.intra_node_bytes_per_s


def num_ends(problem: Problem) -> int:
    """Return the parameters outside of blocks."""
    counts = count_parameters(problem.model)
    return counts["embedding"] + counts["positions"] + counts["head"]


def test_volumes_are_those_of_the_zero_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rajbhandari et al. 2020, section 7: 2 Psi with stages 0 to 2, 3 Psi with stage 3, as n grows; one micro-batch, 16 bits.

    Stage 3 gathers embedding and head once for both passes.
    """
    monkeypatch.setitem(HOP_S, "intra", 0.0)  # type: ignore[misc]
    problem = replace(GPT, reduce_bytes=2, batch_sequences=8, devices=8)
    psi = 2 * total_parameters(problem.model) * 7 / 8
    once = num_ends(problem) / total_parameters(problem.model)
    for zero, times in ((0, 2), (1, 2), (2, 2), (3, 3 - once)):
        assert volume(problem, dp=8, zero=zero) == pytest.approx(times * psi, rel=1e-3), zero


def test_hybrid_sharding_sums_shards_over_copies_once() -> None:
    """Zhao et al. 2023, section 3.2.2: inside a node of 8 as full sharding there, between nodes the 8th part of the gradients."""
    grid = Grid.of([Layout(dp=64, zero=3, sharding_factor=8)])
    stages = busiest_stages(32, 1.0, grid.pp)
    sent = data_parallel_s(GPT, grid, stages)
    gradients = GPT.reduce_bytes * float(held_parameters(GPT, grid, stages)[0])
    assert sent.once_s[0] == pytest.approx(2 * ring_s(8, 1, gradients / 8, 33), rel=ROUNDING)
    gathered = 2 * (2 * gradients / GPT.reduce_bytes - num_ends(GPT))
    assert sent.every_pass_s[0] == pytest.approx(ring_s(8, 8, gathered, 65) + ring_s(8, 8, gradients, 33), rel=ROUNDING)


@pytest.mark.parametrize(("recompute", "sums"), [("none", 4), ("selective", 4), ("full", 6)])
def test_tensor_parallel_sums_of_a_block(recompute: str, sums: int) -> None:
    """Two parts a block, a sum of batch x sequence x width each way (Narayanan et al. 2021, section 3.2)."""
    grid = Grid.of([Layout(tp=8, dp=8, micro_batch=2, recompute=recompute)])  # type: ignore[arg-type]
    stream = 2 * 2 * SEQ_LEN * GPT.model.dim
    calls = sums * GPT.model.num_layers + 2  # the embedding's and the head's
    expected = calls * 2 * ring_s(8, 8, stream)
    assert tensor_parallel_s(GPT, grid, busiest_stages(32, 1.0, grid.pp))[0] == pytest.approx(expected, rel=ROUNDING)


def test_stages_pass_the_stream_on_and_its_gradient_back() -> None:
    """Each of tp ranks sends its part (Narayanan et al. 2021, section 4.1), from node to node."""
    grid = Grid.of([Layout(tp=8, pp=8)])
    part = 2 * SEQ_LEN * GPT.model.dim / 8
    expected = 2 * (part / (LINK_SHARE * A100.inter_node_bytes_per_s) + HOP_S["inter"])
    assert pipeline_s(GPT, grid, np.array([1]))[0] == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize(("pp", "micro_batches"), [(2, 4), (4, 64), (8, 8)])
def test_bubble_is_p_minus_1_passes(pp: int, micro_batches: int) -> None:
    """(p - 1) / m of the ideal time (Narayanan et al. 2021, section 2.2.1), halved by two chunks, a third without the bubble."""
    problem = GPT.on(pp, micro_batches)
    plain, gpipe, interleaved, filled = (
        one(problem, pp=pp, schedule=schedule) for schedule in (None, "gpipe", "interleaved", "zero_bubble")
    )
    ideal = plain["compute_s"] + plain["tp_s"] + plain["recompute_s"]
    assert plain["bubble_s"] == pytest.approx((pp - 1) / micro_batches * ideal)
    assert gpipe["bubble_s"] == plain["bubble_s"]
    assert interleaved["bubble_s"] == pytest.approx(plain["bubble_s"] / 2)
    assert filled["bubble_s"] == pytest.approx(plain["bubble_s"] / 3)
    assert interleaved["pp_s"] == pytest.approx(2 * plain["pp_s"])


def test_computing_is_what_the_constants_say() -> None:
    """Products, scores and traffic of one device, each from its own count."""
    constants = Priors(1.5, 2.0, 3.0, 0.0, 4.0, 0.5, 1.0, 0.5, {"a100": 1.0}, 0.9, 1.1, 0.8)
    problem = GPT.on(1, 8)
    model, tokens = problem.model, 8 * SEQ_LEN
    blocks = 6 * model.num_layers * (12 * model.dim**2 + 13 * model.dim) * tokens
    scores = 12 * model.num_layers * model.dim * SEQ_LEN * tokens
    head = 6 * model.dim * model.vocab_size * tokens
    kept = 2 * model.num_layers * tokens * (4 + 4 + 2 * 4) * model.dim
    logits = 4 * model.vocab_size * tokens
    expected = (1.5 * (blocks + head) + 2.0 * scores) / 312e12 + (3.0 * kept + 4.0 * logits) / A100.memory_bytes_per_s
    ours = step_times(problem, [Layout(micro_batch=4)], constants)
    assert ours.compute_s[0] == pytest.approx(expected, rel=0.002)  # biases of a block are 9 of the 13 vectors counted here
    compiled = step_times(replace(problem, compiled=True), [Layout(micro_batch=4)], constants)
    assert ours.compute_s[0] - compiled.compute_s[0] == pytest.approx(0.5 * 3.0 * kept / A100.memory_bytes_per_s)
    whole = step_times(problem, [Layout(micro_batch=4, recompute="full")], constants)
    again = (1.5 * blocks + 2.0 * scores) / 312e12 + 3.0 * kept / A100.memory_bytes_per_s
    assert whole.recompute_s[0] == pytest.approx(again / 3, rel=0.002)


def test_without_sequence_parallelism_each_rank_does_the_stream() -> None:
    plain = replace(GPT, sequence_parallel=False)
    stream = work_of(GPT).stream_bytes * BATCH / 8
    more = one(plain, tp=8, dp=8)["compute_s"] - one(GPT, tp=8, dp=8)["compute_s"]
    assert more == pytest.approx(stream * (1 - 1 / 8) * shipped_priors().traffic / A100.memory_bytes_per_s)


def test_communication_longer_than_computing_is_not_hidden() -> None:
    slow = replace(GPT, hardware=A100.model_copy(update={"inter_node_bytes_per_s": 1e7}))
    times = one(slow, dp=64, zero=3)
    grid = Grid.of([Layout(dp=64, zero=3)])
    sent = data_parallel_s(slow, grid, busiest_stages(32, 1.0, grid.pp))
    assert times["dp_s"] + times["compute_s"] == pytest.approx(BATCH / 64 * float(sent.every_pass_s[0]))


def test_states_that_lie_with_the_host_cost_time() -> None:
    none, optimizer, everything = (one(GPT, dp=64, zero=3, offload=kind)["update_s"] for kind in ("none", "optimizer", "all"))
    assert none < optimizer < everything
    assert one(GPT, dp=64, zero=1)["update_s"] == pytest.approx(one(GPT, dp=64)["update_s"] / 64)


@pytest.mark.parametrize(
    ("blocks", "pp", "head", "held", "has_head"),
    [(70, 12, 1.5, 5, 1), (70, 12, 0.5, 6, 0), (32, 8, 1.0, 4, 1), (7, 2, 0.2, 4, 1), (126, 16, 0.9, 8, 0), (5, 1, 9.0, 5, 1)],
)
def test_the_busiest_stage(blocks: int, pp: int, head: float, held: int, has_head: int) -> None:
    """BLOOM: 5, 6, ..., 6, 5 blocks, of which the last with its head may take longest; Llama 3 405B: 7, 8, ..., 8, 7."""
    found = busiest_stages(blocks, head, np.array([pp]))
    assert (found.blocks[0], found.has_head[0]) == (held, has_head)


@pytest.mark.parametrize(("blocks", "pp", "fits"), [(70, 12, True), (70, 7, True), (70, 48, False), (32, 64, False), (32, 1, True)])
def test_which_stages_are_alike(blocks: int, pp: int, fits: bool) -> None:
    assert divides(blocks, pp) is fits


def test_the_fit_says_where_it_is_from() -> None:
    facts, priors = priors_file(), shipped_priors()
    assert set(facts["left_out_error"]) == set(facts["rows"])
    assert sum(facts["rows"].values()) >= 150
    assert not any("bloom" in family for family in facts["rows"])
    assert 0 < priors.exposed < 1
    assert priors.unknown_low <= priors.low < 1 < priors.high
    assert priors.interval("rtx-4090")[0] == priors.unknown_low
    assert priors.interval("a100-40-sxm")[0] == priors.low
