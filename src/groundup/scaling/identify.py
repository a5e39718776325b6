"""Whether points can tell a law's constants apart; if not, no number is given."""

import numpy as np
from numpy.typing import NDArray

from groundup.core.errors import DataError
from groundup.scaling.curves import Curve
from groundup.scaling.points import Points

Array = NDArray[np.float64]
MOST_CONDITION = 3000.0
"""Of the gradients of the constants, each scaled to length one: about 30 where size and tokens vary freely, 6e4 with D/N fixed."""
MOST_CORRELATION = 0.999
FEWEST = 3
"""Different values of a quantity that an exponent is drawn through at least."""
LOST_SHARE = 0.25
"""A constant that ends at a bound in more of the resamples than this is not identified."""


def check_design(points: Points, curve: Curve, law: str) -> None:
    """Raise DataError where the table cannot decide, whatever its losses are: too few points, or one quantity follows another."""
    constants = int((curve.upper > curve.lower).sum())
    different = {name: len(np.unique(getattr(points, name))) for name in curve.quantities}
    if len(points) <= constants or min(different.values()) < FEWEST:
        given = " and ".join(f"{count} different {name}" for name, count in different.items())
        raise DataError(
            f"{len(points)} points of {given} do not decide the {constants} constants of {law}; give more than {constants} "
            "points with at "
            f"least {FEWEST} of each{'' if constants == 2 else ', or fit --law kaplan-compute (2 constants)'}"
        )
    if len(curve.quantities) == 1:
        return
    correlation = float(np.corrcoef(np.log(points.params), np.log(points.tokens))[0, 1])
    if abs(correlation) > MOST_CORRELATION:
        ratio = points.tokens / points.params
        ratios = f"tokens per parameter lie between {ratio.min():.4g} and {ratio.max():.4g}"
        raise DataError(
            f"params and tokens move together (correlation of logarithms {correlation:.5f}; {ratios}), so that their "
            "exponents cannot be "
            "told apart; add runs with other numbers of tokens per parameter, or fit --law kaplan-compute"
        )


def check_solution(curve: Curve, theta: Array, weights: Array, converged: bool, law: str) -> None:
    """Raise DataError where the fit did not converge, or its constants cannot be told apart at the solution."""
    if not converged:
        raise DataError(f"the fit of {law} did not converge; look for rows that do not belong with the others, or fit another law")
    stuck = [name for name, at in zip(curve.names, curve.at_bounds(theta[None])[0], strict=True) if at]
    if stuck:
        constants = zip(curve.names, curve.public(theta[None])[0], strict=True)
        values = ", ".join(f"{name}={value:.4g}" for name, value in constants)
        raise DataError(
            f"{law} is not identified by these runs: the best fit ends at the bound of {', '.join(stuck)} ({values}); add runs "
            f"that vary size and tokens more, or fix what is known otherwise (--fix {_way(stuck)})"
        )
    condition = condition_of(curve, theta, weights)
    if condition > MOST_CONDITION:
        raise DataError(
            f"{law} is not identified by these runs: its constants can be exchanged for each other (condition number "
            f"{condition:.3g}, at most {MOST_CONDITION:g}); add runs with other numbers of tokens per parameter, or fix a constant"
        )


def check_resamples(curve: Curve, thetas: Array, law: str) -> list[str]:
    """Return warnings for constants that some resamples lose; raise DataError where many do."""
    lost = curve.at_bounds(thetas).mean(0)
    warnings = []
    for name, share in zip(curve.names, lost, strict=True):
        if share > LOST_SHARE:
            raise DataError(
                f"{law} is not identified by these runs: in {share:.0%} of the resamples {name} ends at a bound; add runs that "
                f"vary size and tokens more, or fix it (--fix {_way([name])})"
            )
        if share > 0.025:
            warnings.append(f"{name} is weakly identified: in {share:.0%} of the resamples it ends at a bound")
    return warnings


def condition_of(curve: Curve, theta: Array, weights: Array) -> float:
    """Return the condition number of the gradients of the fitted constants, each scaled to length one."""
    free = curve.upper > curve.lower
    gradient = curve(theta[None])[1][0][:, free] * np.sqrt(weights)[:, None]
    lengths = np.linalg.norm(gradient, axis=0)
    if not lengths.all():
        return float("inf")
    return float(np.linalg.cond(gradient / lengths))


def _way(stuck: list[str]) -> str:
    example = {"E": "E=1.8", "alpha": "alpha=0.34", "A": "alpha=0.34", "beta": "beta=0.36", "B": "beta=0.36"}
    example |= {"R_N_star": "R_N_star=5.31", "R_D_star": "R_D_star=15.4", "N_c": "alpha_N=0.08", "D_c": "alpha_D=0.1"}
    return example.get(stuck[0], f"{stuck[0]}=VALUE")
