"""From a question about a budget to its answer."""

import math
from pathlib import Path

from groundup.core.config import nearest
from groundup.core.errors import BudgetError, ConfigError
from groundup.estimate.budget.allocation import LAWS, Allocation, ParametricAllocation, Run, interval
from groundup.estimate.budget.fitted import fitted_law
from groundup.estimate.budget.hyperparameters import suggestions
from groundup.estimate.compute import PF_DAY_FLOPS
from groundup.estimate.hardware import Hardware
from groundup.estimate.spending import DAY_S, HOUR_S
from groundup.plan.budget.alternatives import alternatives, warnings_of
from groundup.plan.budget.answer import BudgetAnswer, Price
from groundup.plan.budget.collecting import raw_yield
from groundup.plan.budget.config import BudgetQuestion
from groundup.plan.hardware import named_hardware
from groundup.plan.utilisation import usual_mfu

LEAST_PARAMS = 1000.0
"""Below it no language model is worth the name."""
MOST_FLOPS = 1e32
"""A hundred thousand times the largest training that is known."""
_NOT_PARAMETRIC = "needs a law of the form E + A / N^alpha + B / D^beta, {} is another; take chinchilla, muennighoff or FIT.json"
_NEEDS_DEVICE = ("devices", "deadline_days", "precision", "mfu", "price_per_hour")


def plan_budget(question: BudgetQuestion) -> BudgetAnswer:
    """Return the size and tokens that a budget is best spent on, with how sure that is, and what it takes.

    Raises ConfigError for what makes no sense or has no effect, BudgetError for a budget of which no model comes.
    """
    law = find_law(question.law)
    if question.available_tokens is not None:
        if not isinstance(law, ParametricAllocation):
            raise ConfigError(f"--available-tokens {_NOT_PARAMETRIC.format(law.name)}")
        law = law.with_unique(question.available_tokens)
    if question.inference_tokens is not None and not isinstance(law, ParametricAllocation):
        raise ConfigError(f"--inference-tokens {_NOT_PARAMETRIC.format(law.name)}")
    price = _price(question)
    flops, told = _flops(question, price)
    run, is_chosen = _run(question, law, flops)
    _check(run, told)
    served = question.inference_tokens or 0.0
    ratios = law.ratios(run.flops, served) if not is_chosen else []
    return BudgetAnswer(
        question=question,
        told=told,
        law=law,
        run=run,
        best=law.best(run.flops, served),
        is_chosen=is_chosen,
        ratios=(interval(ratios, 0.80), interval(ratios, 0.95)),
        losses=(interval(law.losses(run), 0.80), interval(law.losses(run), 0.95)),
        price=price,
        raw=raw_yield(question),
        suggestions=suggestions(run),
        alternatives=alternatives(question, law, run),
        warnings=warnings_of(question, law, run, is_chosen),
    )


def find_law(name: str) -> Allocation:
    """Return a published law, or that of a file of 'groundup scaling fit'; raise ConfigError with the nearest name otherwise."""
    if name in LAWS:
        return LAWS[name]()
    if name.endswith(".json") or Path(name).is_file():
        return fitted_law(Path(name))
    raise ConfigError(f"no law '{name}'; {nearest(name, list(LAWS))} Or give the file that 'groundup scaling fit' wrote (FIT.json)")


def _price(question: BudgetQuestion) -> Price | None:
    if question.hardware is None:
        for name in _NEEDS_DEVICE:
            if getattr(question, name) is not None:
                raise ConfigError(
                    f"--{name.replace('_', '-')} has no effect without --hardware ('groundup plan hardware' lists it)"
                )
        return None
    device: Hardware = named_hardware(question.hardware)
    precision = question.precision or device.training_precision
    mfu, source = (question.mfu, "as given") if question.mfu is not None else usual_mfu(device, precision)
    return Price(device, precision, device.peak(precision), mfu, source, question.price_per_hour)


def _flops(question: BudgetQuestion, price: Price | None) -> tuple[float | None, str]:
    """Return the budget in FLOPs and in words; None if the wished size or tokens are to tell it."""
    named = {name: getattr(question, name) for name in ("flops", "pf_days", "device_hours", "money")}
    said = {name: value for name, value in named.items() if value is not None}
    if len(said) > 1:
        raise ConfigError(f"{', '.join('--' + name.replace('_', '-') for name in said)}: a budget in several units; keep one")
    if not said and question.devices is not None and question.deadline_days is not None:
        said = {"device_hours": question.devices * question.deadline_days * DAY_S / HOUR_S}
    if not said:
        if question.params is None and question.tokens is None:
            raise ConfigError(
                "say a budget: --flops, --pf-days, --device-hours with --hardware, --money with --hardware and --price-per-hour, "
                "--devices with --deadline-days and --hardware; or --params or --tokens to learn theirs"
            )
        if question.params is not None and question.tokens is not None:
            return 6 * question.params * question.tokens, f"{question.params:.4g} parameters on {question.tokens:.4g} tokens"
        return None, "the size that is wished" if question.params is not None else "the tokens that are wished"
    unit, amount = next(iter(said.items()))
    if unit in ("flops", "pf_days"):
        flops = amount * (PF_DAY_FLOPS if unit == "pf_days" else 1.0) * question.usable
        return flops, f"{amount:.4g} {'PF-days' if unit == 'pf_days' else 'FLOPs'}{_usable(question)}"
    if price is None:
        raise ConfigError(f"--{unit.replace('_', '-')} needs --hardware: what an hour does depends on the device")
    if unit == "money":
        if price.per_hour is None:
            raise ConfigError(f"--money {amount:g} needs --price-per-hour: prices are not guessed")
        hours, words = amount / price.per_hour, f"{amount:,.4g} at {price.per_hour:g} an hour"
    else:
        hours, words = amount, ""
    words = f"{hours:,.4g} hours of {price.hardware.name}{_usable(question)}" + (f" ({words})" if words else "")
    return hours * question.usable * price.flops_per_hour, words


def _usable(question: BudgetQuestion) -> str:
    return f", {question.usable:.0%} of it for the final run" if question.usable < 1 else ""


def _run(question: BudgetQuestion, law: Allocation, flops: float | None) -> tuple[Run, bool]:
    """Return the run, and whether its size or tokens were wished within a budget, rather than chosen by the law."""
    served = question.inference_tokens or 0.0
    if flops is None:
        if question.params is not None:
            return law.for_params(question.params, served), False
        return law.for_tokens(float(question.tokens or 0.0), served), False
    if flops > MOST_FLOPS:
        raise BudgetError(
            f"{flops:.3g} FLOPs: more than anyone will spend (the largest trainings known are near 1e26); check the unit"
        )
    if question.params is not None:
        return Run(question.params, question.tokens or flops / 6 / question.params), True
    if question.tokens is not None:
        return Run(flops / 6 / question.tokens, question.tokens), True
    return law.best(flops, served), False


def _check(run: Run, told: str) -> None:
    if not (math.isfinite(run.params) and math.isfinite(run.tokens)) or run.params < LEAST_PARAMS or run.tokens < 1:
        raise BudgetError(
            f"{told}: {run.flops:.3g} FLOPs make a model of {run.params:.3g} parameters on {run.tokens:.3g} tokens, which is none; "
            f"a model of a million parameters on twenty million tokens takes 1.2e14 FLOPs"
        )
