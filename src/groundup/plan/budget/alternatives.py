"""What else a budget could be spent on, and what to doubt in an answer."""

import math
from dataclasses import dataclass

from groundup.core.errors import ConfigError
from groundup.estimate.budget.allocation import FAR, LAWS, Allocation, ParametricAllocation, Run
from groundup.estimate.budget.parametric import bisect
from groundup.plan.budget.config import BudgetQuestion

NEARLY_FREE_EPOCHS = 4.0
"""Up to which repeated text is nearly as good as fresh (Muennighoff et al. 2023, abstract)."""
USELESS_EPOCHS = 16.0
"""Beyond which repetition brings little (the same, section 5)."""
LOST_NATS = 0.01
"""From which a wished size or length is said to be worse than the best."""
BLIND_LOSS = math.log(256_000)
"""Nats of a guess among the tokens of the largest common vocabularies; laws are not bounded by it."""


@dataclass(frozen=True)
class Alternative:
    """One other way."""

    what: str
    run: Run
    loss: float | None
    """None where the law has none, or says more than a blind guess."""
    source: str
    note: str = ""


def forecast(law: Allocation, run: Run) -> float | None:
    """Return the loss that the law forecasts; None where it has none, or says more than a blind guess."""
    loss = law.loss(run)
    return None if loss is None or loss > BLIND_LOSS else loss


def alternatives(question: BudgetQuestion, law: Allocation, run: Run) -> list[Alternative]:
    """Return other laws at the same compute, and other runs by the same law."""
    found = []
    if isinstance(law, ParametricAllocation):
        found += _smaller(law, run)
        if question.inference_tokens is not None:
            found += _for_service(law, run, question.inference_tokens)
        if question.available_tokens is not None:
            found += _with_text(law, run, question.available_tokens)
    for name, make in LAWS.items():
        if name != law.name:
            other = make()
            best = other.best(run.flops)
            found.append(Alternative(f"by {name}", best, forecast(other, best), other.source, other.note))
    return found


def warnings_of(question: BudgetQuestion, law: Allocation, run: Run, is_chosen: bool) -> list[str]:
    """Return what to doubt."""
    found = []
    if law.range is not None:
        factor, what = law.range.beyond(run)
        if factor > FAR:
            found.append(
                f"FAR OUTSIDE THE LAW: {factor:,.0f} times beyond the runs that {law.name} was fitted to ({what}), a guess. "
                "Fit your own: 'groundup scaling sweep', 'groundup scaling fit', then --law FIT.json"
            )
        elif factor > 1:
            found.append(f"extrapolated: {factor:.3g} times beyond the runs that {law.name} was fitted to ({what})")
    if question.available_tokens is not None and run.tokens > question.available_tokens:
        epochs = run.tokens / question.available_tokens
        if epochs > USELESS_EPOCHS:
            found.append(f"{epochs:.3g} epochs: beyond {USELESS_EPOCHS:.0f} repetition brings little; collect more text")
        elif epochs > NEARLY_FREE_EPOCHS:
            found.append(
                f"{epochs:.3g} epochs: up to {NEARLY_FREE_EPOCHS:.0f} are nearly as good as fresh text, these are worth less"
            )
    if is_chosen and isinstance(law, ParametricAllocation):
        best = law.best(run.flops)
        lost = law.loss(run) - law.loss(best)
        if lost > LOST_NATS:
            found.append(
                f"{lost:.3g} nats a token worse than {best.params:.3g} parameters on {best.tokens:.3g} tokens, which cost the same"
            )
    return found


def _smaller(law: ParametricAllocation, run: Run) -> list[Alternative]:
    """Half the size at the same loss: dearer to train, cheaper to serve."""
    loss, params = law.loss(run), run.params / 2
    most = run.tokens * 1e6
    if law.law.loss(params, most) >= loss:
        return []
    tokens = bisect(lambda tried: law.law.loss(params, tried) > loss, run.tokens, most)
    other = Run(params, tokens)
    return [
        Alternative(
            "half the size at the same loss",
            other,
            forecast(law, other),
            law.source,
            f"{other.flops / run.flops:.3g} times the compute",
        )
    ]


def _for_service(law: ParametricAllocation, run: Run, served: float) -> list[Alternative]:
    """The best for training alone, and the cheapest for both that is as good."""
    alone = law.best(run.flops)
    found = [Alternative("best for training alone", alone, forecast(law, alone), law.source, _lifetime(alone, served))]
    try:
        both = law.cheapest(law.loss(alone), served)
    except ConfigError:
        return found
    note = f"{_lifetime(both, served)}; training takes {both.flops / run.flops:.3g} times the budget"
    source = f"{law.source}; Sardana et al. 2024"
    return [*found, Alternative("as good as that, cheapest to train and serve", both, forecast(law, both), source, note)]


def _lifetime(run: Run, served: float) -> str:
    return f"{run.flops + 2 * run.params * served:.3g} FLOPs to train and serve"


def _with_text(law: ParametricAllocation, run: Run, available: float) -> list[Alternative]:
    """Each token once; and what the budget would be best spent on if text were no matter."""
    free = law.with_unique(float("inf"))
    found = []
    if run.tokens > available:
        once = Run(run.flops / 6 / available, available)
        found.append(Alternative("each token once", once, forecast(law, once), law.source))
    best = free.best(run.flops)
    if best.tokens > available:
        what = f"with {best.tokens - available:.3g} tokens more of fresh text"
        found.append(Alternative(what, best, forecast(free, best), law.source))
    return found
