"""The answer to `plan layout`: how a training lies best on many devices, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from groundup.core.config import nearest
from groundup.core.errors import ConfigError
from groundup.core.units import format_count, format_seconds
from groundup.estimate.compute import rows_of
from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.candidates import Rejected
from groundup.estimate.layout.priors import LINK_SHARE, priors_file, shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.rooms import NO_ROOM
from groundup.estimate.layout.search import Candidate, Search, search, words
from groundup.estimate.layout.why import why
from groundup.estimate.parameters import total_parameters
from groundup.estimate.workload import DEFAULT_OPTIMIZER
from groundup.nn.config import ModelConfig
from groundup.nn.presets import find_preset
from groundup.plan.hardware import named_hardware
from groundup.plan.memory.question import Planned, model_of
from groundup.train.config import RunPrecision
from groundup.train.parallel.config import Layout

GIB = 2**30
DEFAULT_TOP = 5
BATCH_TOKENS = ((1e9, 500_000), (6e9, 1_000_000), (50e9, 2_000_000), (float("inf"), 3_200_000))
"""Largest parameters -> tokens of a batch where none are said (Brown et al. 2020, table 2.1)."""
MOST_VALUES = 6


@dataclass(frozen=True)
class LayoutPlan:
    """What was asked, and the fastest layouts."""

    name: str
    search: Search

    @property
    def best(self) -> Layout:
        """The fastest layout that fits."""
        return self.search.best.layout

    @property
    def assumptions(self) -> list[str]:
        """What the prediction rests on."""
        problem, priors = self.search.problem, shipped_priors()
        device, facts = problem.hardware, priors_file()
        told = [
            f"constants fitted on {sum(facts['rows'].values())} published runs ({', '.join(facts['rows'])})",
            f"links at {LINK_SHARE:.0%} of {device.intra_node_bytes_per_s / 1e9:g} GB/s in a node of {device.devices_per_node}, of "
            f"{device.inter_node_bytes_per_s / 1e9:g} GB/s for each device between nodes",
            f"{priors.exposed:.0%} of data-parallel communication beside a pass waits, and all that is before or after passes, or "
            "of tensor, context and pipeline parallelism",
            f"gradients summed in {8 * problem.reduce_bytes} bits; 1f1b pipelines; fused attention; Adam in mixed precision",
        ]
        if not priors.knows(device.name):
            told.append(f"no published run on {device.name} was in the fit: how much of its peak is reached is that of the A100")
        return told

    def as_json(self) -> dict[str, Any]:
        """Return layouts and reasons in plain SI."""
        problem, found = self.search.problem, self.search
        return {
            "model": self.name,
            "params": total_parameters(problem.model),
            "hardware": problem.hardware.name,
            "devices": problem.devices,
            "global_batch_sequences": problem.batch_sequences,
            "seq_len": problem.rows.read_len,
            "considered": found.considered,
            "fitting": found.fitting,
            "layouts": [_as_json(problem, each) for each in found.found],
            "rejected": [{"layout": dict(each.layout), "because": each.because} for each in found.rejected],
            "assumptions": self.assumptions,
        }

    def render(self) -> str:
        """Return the layouts for a person, and reasons put together."""
        problem, found = self.search.problem, self.search
        batch = f"{problem.batch_sequences:,} sequences of {problem.rows.read_len:,} tokens a step"
        model = f"{self.name} ({format_count(total_parameters(problem.model))} parameters)"
        lines = [
            f"{model} on {problem.devices} {problem.hardware.name}, {batch}; "
            f"{found.fitting:,} of {found.considered:,} layouts fit; the best of each mesh:"
        ]
        for rank, each in enumerate(found.found, start=1):
            (low, high), speed = each.mfu_interval, format_count(each.tokens_per_s_per_device)
            lines += [
                f"{rank}. {words(each.layout)}: {format_seconds(each.step_s)} a step, {speed} tokens/s a device, "
                f"MFU {each.mfu:.1%} ({low:.0%} to {high:.0%})",
                f"   {_why(problem, each)}",
            ]
        return "\n".join([*lines, "rejected:", *_reasons(found), "assumed:", *(f"   {line}" for line in self.assumptions)])


def plan_layout(
    model: str | None,
    recipe: Planned | None,
    hardware: str,
    devices: int,
    global_batch_tokens: float | None = None,
    seq_len: int | None = None,
    target_len: int | None = None,
    top: int = DEFAULT_TOP,
    precision: str | None = None,
    network_gbps: float | None = None,
    compiled: bool | None = None,
    pinned: Mapping[str, Any] | None = None,
) -> LayoutPlan:
    """Return the `top` fastest layouts of a published model or a recipe's on devices of one kind.

    `pinned` are keys of a Layout that may not be searched; `network_gbps` is that of a node, all adapters together. Raises
    ConfigError with the way out for what cannot be, BudgetError with the nearest way if nothing fits.
    """
    if top < 1:
        raise ConfigError(f"--top {top}: tell at least one layout")
    name, problem = problem_of(
        model, recipe, hardware, devices, global_batch_tokens, seq_len, target_len, precision, network_gbps, compiled
    )
    return LayoutPlan(name, search(problem, top, pinned))


def problem_of(
    model: str | None,
    recipe: Planned | None,
    hardware: str,
    devices: int,
    global_batch_tokens: float | None = None,
    seq_len: int | None = None,
    target_len: int | None = None,
    precision: str | None = None,
    network_gbps: float | None = None,
    compiled: bool | None = None,
) -> tuple[str, Problem]:
    """Return the name of what is to be laid out, and the problem, checked."""
    if (model is None) == (recipe is None):
        raise ConfigError("say either --model NAME ('groundup plan models' lists them) or --recipe FILE")
    if devices < 1:
        raise ConfigError(f"--devices {devices}: a training needs at least one")
    device = _networked(named_hardware(hardware), network_gbps)
    if recipe is not None:
        name, config, train = recipe.name, model_of(recipe), recipe.config.pretrain
        rows = rows_of(config, seq_len or train.seq_len, target_len)
        batch_tokens: float = global_batch_tokens or train.batch_tokens
        said = None if train.precision == "auto" else train.precision
        compiled = train.compile == "on" if compiled is None else compiled
    else:
        name, config, said = str(model), find_preset(str(model)).config, None
        rows = rows_of(config, seq_len, target_len)
        batch_tokens = global_batch_tokens or _default_batch(config, devices, rows.read_len)
    problem = Problem(
        model=config,
        rows=rows,
        batch_sequences=_sequences(batch_tokens, rows.read_len),
        hardware=device,
        devices=devices,
        precision=_precision(precision or said, device),
        compiled=bool(compiled),
        optimizer=recipe.config.pretrain.optimizer if recipe else DEFAULT_OPTIMIZER,
    )
    return name, problem


def _sequences(batch_tokens: float, seq_len: int) -> int:
    if batch_tokens < seq_len or batch_tokens % seq_len:
        near = max(1, round(batch_tokens / seq_len)) * seq_len
        raise ConfigError(
            f"--global-batch-tokens {batch_tokens:,.0f} is not a multiple of sequences of {seq_len:,} tokens; nearest: {near:,}"
        )
    return int(batch_tokens // seq_len)


def _default_batch(config: ModelConfig, devices: int, seq_len: int) -> int:
    """Return the tokens of a batch of that size, as many sequences for each device."""
    params = total_parameters(config)
    tokens = next(tokens for largest, tokens in BATCH_TOKENS if params <= largest)
    return max(1, round(tokens / seq_len / devices)) * devices * seq_len


def _precision(said: str | None, device: Hardware) -> RunPrecision:
    names: tuple[RunPrecision, ...] = get_args(RunPrecision)
    wanted = said or (device.training_precision if device.training_precision in names else "fp32")
    for name in names:
        if name == wanted:
            device.peak(name)
            return name
    raise ConfigError(f"--precision {wanted}; {nearest(wanted, list(names))}")


def _networked(device: Hardware, gbps: float | None) -> Hardware:
    """Return the device with its share of a node's network."""
    if gbps is None:
        return device
    if gbps <= 0:
        raise ConfigError(f"--network-gbps {gbps:g}: the network of a node, all adapters together, is above 0")
    return device.model_copy(update={"inter_node_bytes_per_s": gbps * 1e9 / 8 / device.devices_per_node})


def _as_json(problem: Problem, each: Candidate) -> dict[str, Any]:
    layout = each.layout
    return {
        **{key: getattr(layout, key) for key in ("dp", "tp", "pp", "cp", "zero")},
        "sharding_factor": layout.shards,
        **{key: getattr(layout, key) for key in ("micro_batch", "recompute", "offload", "precision")},
        "memory": each.memory.as_json(),
        "step_s": each.step_s,
        "step_parts_s": dict(each.parts_s),
        "tokens_per_s_per_device": each.tokens_per_s_per_device,
        "mfu": each.mfu,
        "mfu_interval": list(each.mfu_interval),
        "hfu": each.hfu,
        "why": _why(problem, each),
    }


def _why(problem: Problem, each: Candidate) -> str:
    return why(problem, each.layout, each.memory.total, each.parts_s, each.mfu)


def _reasons(found: Search) -> list[str]:
    """Return what was rejected, reasons alike put together."""
    of_memory = found.considered - found.fitting
    divided = [each for each in found.rejected if not each.because.startswith(NO_ROOM)]
    by_kind: dict[str, list[Rejected]] = {}
    for each in divided:
        by_kind.setdefault(next(iter(each.layout)), []).append(each)
    lines = [f"   {of_memory:,} layouts need more memory than a device has"] if of_memory else []
    for key, kind in by_kind.items():
        values = [f"{each.layout[key]}" for each in kind]
        shown = ", ".join(values[:MOST_VALUES]) + (" and more" if len(values) > MOST_VALUES else "")
        lines.append(f"   {key}={shown}: {kind[0].because}" + (", and the like" if len(kind) > 1 else ""))
    return lines
