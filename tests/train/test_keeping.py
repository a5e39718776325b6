"""What stays of a run's checkpoints, whatever interrupts it."""

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from groundup.train.keeping import Keeping

STEPS = 30


def remaining(keeping: Keeping, extra: Collection[int] = (), late: Collection[int] = ()) -> set[int]:
    """Return the steps whose checkpoints a run leaves that saved after `extra` steps as well, and was slow before `late` ones."""
    there: list[int] = []
    for step in range(1, STEPS + 1):
        if keeping.is_due(step, 100.0 if step in late else 0.0) or step in extra or step == STEPS:
            there = sorted(keeping.while_running([*there, step]))
    return keeping.at_the_end(there)


some_steps = st.sets(st.integers(1, STEPS))
rules = st.builds(
    lambda every, keep, milestone, keep_every, interval, losses: Keeping(
        every=every,
        keep=keep,
        milestones=frozenset({milestone}),
        keep_every=keep_every,
        every_s=50.0,
        is_scored=lambda step: step % interval == 0,
        losses=lambda: {step: losses[step - 1] for step in range(1, STEPS + 1) if step % interval == 0 or step == STEPS},
    ),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, STEPS),
    st.none() | st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.integers(0, 9), min_size=STEPS, max_size=STEPS),
)


@given(rules, some_steps, some_steps)
def test_what_stays_does_not_depend_on_interruptions(keeping: Keeping, extra: set[int], late: set[int]) -> None:
    assert remaining(keeping, extra, late) == remaining(keeping)


@given(rules)
def test_what_stays_is_the_last_the_best_and_what_was_asked_for(keeping: Keeping) -> None:
    stays, losses = remaining(keeping), keeping.losses()
    best = min(losses, key=lambda step: (losses[step], step))
    assert stays >= {STEPS, best, *keeping.milestones}
    regular = [step for step in range(1, STEPS) if keeping.is_regular(step)]
    assert stays >= set(([*regular, STEPS])[-keeping.keep :])
    asked = set(range(keeping.keep_every, STEPS + 1, keeping.keep_every)) if keeping.keep_every else set()
    assert stays == {STEPS, best, *keeping.milestones, *asked, *([*regular, STEPS])[-keeping.keep :]}


@given(rules, some_steps)
def test_a_run_can_always_go_back_two_regular_checkpoints(keeping: Keeping, there: set[int]) -> None:
    kept = keeping.while_running(sorted(there))
    regular = sorted(filter(keeping.is_regular, there))
    assert kept >= set(regular[-2:])


def test_of_equals_the_first_is_the_best() -> None:
    keeping = Keeping(1, 1, losses=lambda: {2: 1.0, 4: 1.0, 6: 0.5})
    assert keeping.best([4, 2]) == 2
    assert keeping.best([4, 6, 2]) == 6
    assert keeping.best([1, 3]) is None
