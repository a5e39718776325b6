"""Every layout that a problem can have, and why others cannot."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.estimate.layout.grid import DEFAULT_SCHEDULE, OFFLOADS, RECOMPUTES, Grid, reshards_by_itself
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.stages import divides, num_blocks

SHORTEST_SHARE_LEN = 1024
"""Tokens of a sequence that a context-parallel rank keeps at least: shorter sequences have no need of the axis."""
MOST_MICRO_BATCH = 128
PINNABLE: Final = ("dp", "tp", "pp", "cp", "zero", "sharding_factor", "micro_batch", "recompute", "offload")
"""Keys of a Layout that may be said; the others are searched."""
AXES: Final = ("tp", "pp", "cp", "dp")


@dataclass(frozen=True)
class Rejected:
    """A layout, or what many have in common, that cannot be."""

    layout: Mapping[str, Any]
    because: str


@dataclass(frozen=True)
class Candidates:
    """What divides."""

    grid: Grid
    rejected: tuple[Rejected, ...]


@dataclass
class _Notes:
    """Reasons, each said once."""

    found: dict[tuple[tuple[str, Any], ...], str] = field(default_factory=dict)

    def reject(self, because: str, **layout: int) -> None:
        self.found.setdefault(tuple(layout.items()), because)

    def all(self) -> tuple[Rejected, ...]:
        return tuple(Rejected(dict(layout), because) for layout, because in self.found.items())


def candidates(problem: Problem, pinned: Mapping[str, Any] | None = None) -> Candidates:
    """Return all layouts that divide devices, heads, blocks, sequences and batch; `pinned` are keys of PINNABLE with their values.

    Raises ConfigError if none does.
    """
    pinned = {key: value for key, value in (pinned or {}).items() if value is not None}
    _check_pinned(problem, pinned)
    notes = _Notes()
    rows = [
        (dp, tp, pp, cp, zero, shards, micro_batch, recompute, offload, DEFAULT_SCHEDULE, reshards_by_itself(pp))
        for tp, pp, cp, dp in _meshes(problem, pinned, notes)
        for zero, shards in _shardings(dp, pinned)
        for micro_batch in _micro_batches(problem.batch_sequences // dp, pinned, notes)
        for recompute in _places(RECOMPUTES, pinned.get("recompute"))
        for offload in _places(OFFLOADS, pinned.get("offload"))
    ]
    if not rows:
        raise ConfigError(_none(problem, pinned, notes))
    return Candidates(Grid.from_rows(rows), notes.all())


def divisors(number: int) -> list[int]:
    """Return all divisors, the smallest first."""
    small = [each for each in range(1, int(number**0.5) + 1) if number % each == 0]
    return small + [number // each for each in reversed(small) if each * each != number]


def _meshes(problem: Problem, pinned: Mapping[str, Any], notes: _Notes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (tp, pp, cp, dp) whose product is the number of devices."""
    for tp in _wanted(divisors(problem.devices), pinned.get("tp")):
        reason = _no_tp(problem, tp)
        if reason:
            notes.reject(reason, tp=tp)
            continue
        for pp in _wanted(divisors(problem.devices // tp), pinned.get("pp")):
            reason = _no_pp(problem, pp)
            if reason:
                notes.reject(reason, pp=pp)
                continue
            for cp in _wanted(divisors(problem.devices // tp // pp), pinned.get("cp")):
                reason = _no_cp(problem, cp)
                if reason:
                    notes.reject(reason, cp=cp)
                    continue
                dp = problem.devices // tp // pp // cp
                if pinned.get("dp") not in (None, dp):
                    continue
                if problem.batch_sequences % dp:
                    notes.reject(f"the batch of {problem.batch_sequences:,} sequences does not divide among {dp:,} ranks", dp=dp)
                    continue
                yield tp, pp, cp, dp


def _no_tp(problem: Problem, tp: int) -> str | None:
    model, node = problem.model, problem.hardware.devices_per_node
    if tp > node or node % tp:
        return f"tensor-parallel ranks wait for each other in every block: they share a node of {node}, which {tp} does not divide"
    for count, what in (
        (model.num_heads, "heads"),
        (model.num_kv_heads, "key/value heads"),
        (model.ffn_dim, "dims of the feed-forward layer"),
    ):
        if count % tp:
            return f"{count:,} {what} do not divide among {tp}"
    return None


def _no_pp(problem: Problem, pp: int) -> str | None:
    blocks = num_blocks(problem.model)
    if divides(blocks, pp):
        return None
    if pp > blocks:
        return f"{pp} stages, but {blocks} blocks"
    return f"{blocks} blocks do not divide into {pp} stages, nor with embedding and head counted as one each ({blocks + 2})"


def _no_cp(problem: Problem, cp: int) -> str | None:
    if cp == 1:
        return None
    for length in sorted({problem.rows.read_len, problem.rows.target_len}):
        if length % cp:
            return f"sequences of {length:,} tokens do not divide among {cp}"
        if length // cp < SHORTEST_SHARE_LEN:
            return f"sequences of {length:,} tokens leave {length // cp:,} to a rank, fewer than {SHORTEST_SHARE_LEN:,}"
    return None


def _shardings(dp: int, pinned: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield (zero, ranks that share): with one rank nothing is shared; zero=3 among all divisors of dp."""
    factor = pinned.get("sharding_factor")
    for zero in _wanted([0, 1, 2, 3] if factor is None else [3], pinned.get("zero")):
        if dp == 1 and zero and pinned.get("zero") is None:
            continue
        factors = [1] if zero == 0 else [dp] if zero < 3 else list(reversed(divisors(dp)))
        for shards in factors:
            is_plain = zero == 3 and shards == 1 and dp > 1 and factor is None
            if not is_plain and factor in (None, shards):
                yield zero, shards


def _micro_batches(sequences: int, pinned: Mapping[str, Any], notes: _Notes) -> list[int]:
    """Return the sizes that divide a rank's sequences."""
    said = pinned.get("micro_batch")
    if said is not None and sequences % said:
        notes.reject(f"the {sequences:,} sequences of a rank do not divide into micro-batches of {said:,}", micro_batch=said)
    return _wanted([size for size in divisors(sequences) if size <= MOST_MICRO_BATCH or size == said], said)


def _wanted(values: list[int], said: int | None) -> list[int]:
    return values if said is None else [value for value in values if value == said]


def _places(names: Sequence[str], said: str | None) -> list[int]:
    return list(range(len(names))) if said is None else [names.index(said)]


def _check_pinned(problem: Problem, pinned: Mapping[str, Any]) -> None:
    """Raise ConfigError if the axes that were said cannot be among the devices."""
    for key, names in (("recompute", RECOMPUTES), ("offload", OFFLOADS)):
        if pinned.get(key) not in (None, *names):
            raise ConfigError(f"{key}={pinned[key]}; {nearest(str(pinned[key]), list(names))}")
    if pinned.get("sharding_factor") is not None and pinned.get("zero") not in (None, 3):
        raise ConfigError(
            f"sharding_factor={pinned['sharding_factor']} has no effect with zero={pinned['zero']}; set zero=3, or leave one out"
        )
    for key in AXES:
        value = pinned.get(key)
        if value is not None and (value < 1 or problem.devices % value):
            near = max(each for each in divisors(problem.devices) if each <= max(value, 1))
            raise ConfigError(f"{key}={value} does not divide {problem.devices} devices; the nearest below that does is {near}")
    said = {key: pinned[key] for key in AXES if key in pinned}
    ranks = math.prod(said.values())
    if problem.devices % ranks or (len(said) == len(AXES) and ranks != problem.devices):
        axes = " x ".join(f"{key}={value}" for key, value in said.items())
        raise ConfigError(f"{axes} = {ranks} does not divide {problem.devices} devices; leave one of them out")


def _none(problem: Problem, pinned: Mapping[str, Any], notes: _Notes) -> str:
    """Say why nothing divides, and what would."""
    said = ", ".join(f"{key}={value}" for key, value in pinned.items())
    reasons = "; ".join(f"{_words(each.layout)}: {each.because}" for each in notes.all()[:6])
    batch = problem.batch_sequences
    fewer = max(each for each in range(1, problem.devices + 1) if batch % each == 0)
    way_out = f"a batch that is a multiple of {problem.devices} sequences divides, or {fewer} devices with this one"
    reach = f"{problem.devices} devices and {batch:,} sequences of {problem.rows.text_len:,} tokens"
    return (
        f"no layout of {reach} divides{' with ' + said if said else ''}: {reasons or 'the keys said exclude each other'}; {way_out}"
    )


def _words(layout: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in layout.items())
