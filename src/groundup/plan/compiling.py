"""Choose whether the step is compiled."""

from dataclasses import replace

from groundup.core.errors import ConfigError
from groundup.core.log import say
from groundup.core.units import format_seconds
from groundup.estimate.workload import Workload
from groundup.plan.config import PlanConfig
from groundup.plan.probe import Probe
from groundup.plan.shapes import at_depth
from groundup.plan.situation import Situation

COMPILE_MARGIN = 0.03
"""A smaller gain is noise."""
COMPILE_SHARE = 0.1
"""Of a run's time, what compiling may take at most: a short run stays eager."""
COMPILE_PRIOR_S = 30.0
"""Compiling blocks and loss on two cores with nothing in the cache."""
COMPILE_PROBE_S = 4.0
COMPILER_ADVICE = "install one (Debian: apt install g++; macOS: xcode-select --install)"


def choose_compiled(
    config: PlanConfig, workload: Workload, situation: Situation, run_s: float, probe: Probe, why: list[str]
) -> Workload:
    """Return the workload as it is to be run, given about how long its run takes when it is not compiled.

    'auto' compiles on a CPU with a C++ compiler, where the run is long enough to pay for it and a step of one layer (or two, if
    the model has one) is faster. Raises ConfigError if compiling is asked for and there is no compiler.
    """
    asked = config.pretrain.compile
    if asked == "on" and situation.compiler is None:
        raise ConfigError(
            f"pretrain.compile='on' needs a C++ compiler and this machine has none; {COMPILER_ADVICE}, or "
            "set pretrain.compile to auto"
        )
    if asked != "auto":
        why.append(f"compile {asked}: as the recipe says.")
        return replace(workload, compiled=asked == "on")
    reason = _against(situation, run_s)
    if reason is not None:
        why.append(f"compile off: {reason}")
        return workload
    say("  compiling a smaller model's step, to time it")
    eager, compiled = _probes(workload)
    eager_s, compiled_s = probe.step_seconds([eager, compiled], COMPILE_PROBE_S)
    gains = compiled_s < eager_s * (1 - COMPILE_MARGIN)
    why.append(
        f"compile {'on' if gains else 'off'}: a step of {eager.model.num_layers} layer(s) took {format_seconds(eager_s)}, compiled "
        f"{format_seconds(compiled_s)}; a gain of {COMPILE_MARGIN:.0%} is asked for."
    )
    return replace(workload, compiled=gains)


def _against(situation: Situation, run_s: float) -> str | None:
    """Return why nothing needs to be timed."""
    if situation.device != "cpu":
        return f"it is chosen by measurement on a CPU only; set pretrain.compile to on to try it on {situation.device}."
    if situation.compiler is None:
        return f"this machine has no C++ compiler; {COMPILER_ADVICE} to train faster."
    if run_s * COMPILE_SHARE < COMPILE_PRIOR_S:
        return (
            f"the run of about {format_seconds(run_s)} is too short to pay for {format_seconds(COMPILE_PRIOR_S)} of compiling, "
            f"which may take {COMPILE_SHARE:.0%}."
        )
    return None


def _probes(workload: Workload) -> tuple[Workload, Workload]:
    depth = 2 if workload.model.num_layers == 1 else 1
    model = at_depth(workload.model, depth)
    eager = replace(workload, model=model, batch_sequences=workload.micro_batch)
    return eager, replace(eager, compiled=True)
