"""What is measured for a plan: steps and memory of models of other depths, from which those of the model are read off."""

from dataclasses import replace

from groundup.core.errors import BudgetError
from groundup.core.units import format_bytes, format_seconds
from groundup.estimate.layout.process import of_rank
from groundup.estimate.memory import live_bytes, passing_bytes
from groundup.estimate.workload import AttentionName, Workload
from groundup.plan.choose import has_kernels
from groundup.plan.config import PlanConfig
from groundup.plan.probe import Probe, Stepping
from groundup.plan.room import divisors, memory_limit, placed, too_large
from groundup.plan.shapes import at_depth
from groundup.plan.situation import Situation
from groundup.train.config import TrainConfig
from groundup.train.parallel.automatic import Chosen

KERNEL_MARGIN = 0.15
"""A measured difference below this does not overturn the rule: noise must not decide what is trained."""
KERNEL_PROBE_S = 2.0
DEPTH_PROBE_S = 6.0
PROBE_MICRO_BATCHES = 4
"""More micro-batches a step than this are timed as this many, in proportion."""


def choose_attention(train: TrainConfig, workload: Workload, probe: Probe, why: list[str]) -> Workload:
    """Keep the rule's kernel unless the other is clearly faster in a step of one layer (or two, if the model has one)."""
    if train.attention != "auto":
        why.append(f"attention {workload.attention}: as the recipe says.")
        return workload
    if not has_kernels(workload.model):
        why.append(f"attention {workload.attention}: the one kernel of model.attention='{workload.model.attention}'.")
        return workload
    other: AttentionName = "matmul" if workload.attention == "sdpa" else "sdpa"
    depth = 2 if workload.model.num_layers == 1 else 1
    rule_s, other_s = probe.step_seconds(
        [_at_depth(workload, depth), _at_depth(replace(workload, attention=other), depth)], KERNEL_PROBE_S
    )
    chosen = other if other_s < rule_s * (1 - KERNEL_MARGIN) else workload.attention
    why.append(
        f"attention {chosen}: a step of {depth} layer(s) took {format_seconds(rule_s)} with {workload.attention}, the rule for "
        f"{workload.precision} at {workload.rows.read_len} tokens, and {format_seconds(other_s)} with {other}; "
        f"a gain of {KERNEL_MARGIN:.0%} overturns the rule."
    )
    return replace(workload, attention=chosen)


def step_seconds(workload: Workload, probe: Stepping, why: list[str]) -> float:
    """Return the time of an optimizer step, on the line through two other depths of the same widths."""
    layers = workload.model.num_layers
    shallow, deep = _probe_depths(layers)
    shallow_s, deep_s = probe.step_seconds([_at_depth(workload, shallow), _at_depth(workload, deep)], DEPTH_PROBE_S)
    layer_s = max(0.0, deep_s - shallow_s) / (deep - shallow)
    scale = workload.num_micro_batches / min(workload.num_micro_batches, PROBE_MICRO_BATCHES)
    step_s = scale * max(deep_s + (layers - deep) * layer_s, shallow_s / 2)
    why.append(
        f"step time {format_seconds(step_s)}: with {shallow} and {deep} layers of these widths a step took "
        f"{format_seconds(shallow_s)} and {format_seconds(deep_s)}; {layers} layers lie on the line through them. "
        "The model itself has not been stepped."
    )
    return step_s


def _probe_depths(layers: int) -> tuple[int, int]:
    """Return two depths that are not that of the model."""
    return next(pair for pair in ((1, 3), (2, 4), (1, 2)) if layers not in pair)


def within_memory(
    config: PlanConfig, workload: Workload, situation: Situation, probe: Probe, why: list[str]
) -> tuple[Workload, Chosen]:
    """Return the workload with the largest micro-batch that fits by measurement too, and how it lies on its processes.

    Raises BudgetError if none does, or the one that the recipe asks for does not.
    """
    limit = memory_limit(config.pretrain, situation)
    while True:
        place, share, reason = _memory(config, workload, situation, probe)
        if place.fits:
            why.append(f"{reason} It may come to {format_bytes(limit)}.")
            return workload, place
        splits = [] if config.pretrain.micro_batch else divisors(workload.batch_sequences)
        smaller = [number for number in splits if number < workload.micro_batch]
        if not smaller:
            raise BudgetError(too_large(workload, situation, config, share))
        why.append(
            f"micro-batch {smaller[-1]}: {workload.micro_batch} would take {format_bytes(place.total)} of memory, and "
            f"{format_bytes(limit)} may be used."
        )
        workload = replace(workload, micro_batch=smaller[-1])


def _memory(config: PlanConfig, workload: Workload, situation: Situation, probe: Probe) -> tuple[Chosen, float, str]:
    """Return how the run lies, with the peak memory of a process, the allocator's share as measured at two depths, and the reason.

    Neither depth is that of the model. The gaps that the allocator leaves are little in proportion to anything: a part is there in
    the smallest model, a part grows with the layers. So they are read off the line through two depths.
    """
    own = of_rank(workload, placed(workload, config.pretrain, situation).layout)
    shallow, deep = (_at_depth(own, depth) for depth in _probe_depths(workload.model.num_layers))
    if workload.compiled:
        probe.step_seconds([shallow], 0.0)  # what compiling takes once is not the model's
    growths = [probe.memory_growth(other) for other in (shallow, deep)]
    least, more = (max(0, growth - live_bytes(other)) for growth, other in zip(growths, (shallow, deep), strict=True))
    slope = max(0, more - least) / (deep.model.num_layers - shallow.model.num_layers)
    gaps = max(least, more) + slope * (workload.model.num_layers - deep.model.num_layers)
    share = max(0.0, gaps) / sum(passing_bytes(own).values())
    held_bytes = probe.held_bytes() if workload.compiled else situation.held_bytes  # the compiler's own tables are there by now
    place = placed(workload, config.pretrain, situation, share, held_bytes)
    held = "the process with its libraries, " if held_bytes else ""
    each = " a process" if situation.processes.size > 1 else ""
    reason = (
        f"memory {format_bytes(place.total)}{each}: {held}the tensors counted one by one, and "
        f"{format_bytes(place.memory['allocator'])} for the gaps that the allocator leaves, on the line through "
        f"{format_bytes(least)} with {shallow.model.num_layers} and {format_bytes(more)} with {deep.model.num_layers} layers, "
        f"which took {format_bytes(growths[0])} and {format_bytes(growths[1])}."
    )
    return place, share, reason


def _at_depth(workload: Workload, num_layers: int) -> Workload:
    sequences = workload.micro_batch * min(workload.num_micro_batches, PROBE_MICRO_BATCHES)
    model = at_depth(workload.model, num_layers)
    return replace(workload, model=model, batch_sequences=sequences)
