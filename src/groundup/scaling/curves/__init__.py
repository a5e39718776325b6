"""The laws that say the loss of any run, by name."""

from groundup.artifacts.scaling_fit import LawName
from groundup.scaling.curves.base import Curve
from groundup.scaling.curves.chinchilla import ChinchillaCurve
from groundup.scaling.curves.kaplan import ComputeCurve, KaplanCurve, ParamsCurve, TokensCurve
from groundup.scaling.curves.repeated import DataConstrainedCurve

CURVES: dict[LawName, type[Curve]] = {
    "chinchilla": ChinchillaCurve,
    "kaplan": KaplanCurve,
    "kaplan-params": ParamsCurve,
    "kaplan-tokens": TokensCurve,
    "kaplan-compute": ComputeCurve,
    "data-constrained": DataConstrainedCurve,
}

__all__ = ["CURVES", "Curve"]
