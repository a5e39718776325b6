"""The share of a device's peak that a training reaches, where nobody said one."""

from typing import Final, get_args

from groundup.core.errors import BudgetError
from groundup.estimate.compute import rows_of
from groundup.estimate.hardware import Hardware
from groundup.estimate.layout.priors import shipped_priors
from groundup.estimate.layout.problem import Problem
from groundup.estimate.layout.search import search
from groundup.estimate.spending import ASSUMED_MFU
from groundup.nn.presets import find_preset
from groundup.train.config import RunPrecision

USUAL_MODEL: Final = "gpt3-6.7b"
USUAL_BATCH_SEQUENCES: Final = 1024
"""Of 2,048 tokens: its batch of 2 M tokens (Brown et al. 2020, table 2.1)."""
USUAL_DEVICES: Final = 64
_PLAIN: Final = {"tp": 1, "pp": 1, "cp": 1, "offload": "none"}


def usual_mfu(hardware: Hardware, precision: str) -> tuple[float, str]:
    """Return the MFU of GPT-3 6.7B on 64 of the devices, data-parallel, and where it is from.

    It is forecast as `plan layout` does, on devices of a family that has published runs in its fit. Of others, in a precision that
    no run has, and where the model does not fit, ASSUMED_MFU.
    """
    if not shipped_priors().knows(hardware.name):
        return ASSUMED_MFU
    for name in get_args(RunPrecision):
        if name == precision:
            return _forecast(hardware, name)
    return ASSUMED_MFU


def _forecast(hardware: Hardware, precision: RunPrecision) -> tuple[float, str]:
    model = find_preset(USUAL_MODEL).config
    problem = Problem(model, rows_of(model), USUAL_BATCH_SEQUENCES, hardware, USUAL_DEVICES, precision)
    try:
        best = search(problem, 1, _PLAIN).best
    except BudgetError:
        return ASSUMED_MFU
    low, high = best.mfu_interval
    return best.mfu, f"forecast of {USUAL_MODEL} on {USUAL_DEVICES} of them by published runs, {low:.0%} to {high:.0%}"
