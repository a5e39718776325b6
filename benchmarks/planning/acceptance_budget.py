"""Rows about budgets and published laws."""

import json
import math
from collections.abc import Iterator

from acceptance_checks import PLANNING, Check

from groundup.estimate.budget.allocation import KaplanAllocation, Run, approach_1, approach_2, chinchilla, muennighoff
from groundup.estimate.budget.hyperparameters import suggestions
from groundup.estimate.budget.parametric import r_d_star, r_n_star
from groundup.estimate.budget.uncertainty import quantiles
from groundup.estimate.compute import PF_DAY_FLOPS

EXACT = 1e-12
CHINCHILLA_FLOPS = 5.88e23
BLOOMBERG_FLOPS = 0.75 * 1.3e6 * 3600 * 101e12
"""Three quarters of 1.3 M hours, at the 101 TFLOP/s that the paper's own regressions imply (they imply 98 to 101)."""


def bloomberggpt_budget() -> Iterator[Check]:
    """What Wu et al. 2023 planned from their budget, by approaches 1 and 2."""
    first, second = approach_1().best(BLOOMBERG_FLOPS), approach_2().best(BLOOMBERG_FLOPS)
    yield Check("BloombergGPT's budget, approach 1, parameters", 52.993e9, first.params, 0.05)
    yield Check("BloombergGPT's budget, approach 1, tokens", 1111.112e9, first.tokens, 0.05)
    yield Check("BloombergGPT's budget, approach 2, parameters", 49.75e9, second.params, 0.05)
    yield Check("BloombergGPT's budget, approach 2, tokens", 1175e9, second.tokens, 0.05)


def tokens_per_parameter() -> Iterator[Check]:
    """The refit's tokens a parameter at Chinchilla's compute, with its intervals (section 3 of the list)."""
    law = chinchilla()
    yield Check("tokens a parameter at 5.88e23", 17.9, law.best(CHINCHILLA_FLOPS).tokens_per_param, 0.005)
    ratios = law.ratios(CHINCHILLA_FLOPS)
    for share, expected in ((0.80, (10.0, 29.2)), (0.95, (7.5, 36.4))):
        for side, theirs, ours in zip(("low", "high"), expected, quantiles(ratios, share), strict=True):
            yield Check(f"its {share:.0%} interval, {side}", theirs, ours, 0.03, note="spread of the draws is set to it")


def repetition() -> Iterator[Check]:
    """Constants and formula of Muennighoff et al. 2023."""
    given = json.loads((PLANNING / "published_constants.json").read_text())["muennighoff_2023"]
    yield Check("R_D*", given["rd_star"], r_d_star(), EXACT)
    yield Check("R_N*", given["rn_star"], r_n_star(), EXACT)
    A, B, E = (math.exp(given[name]) for name in ("a", "b", "e"))
    alpha, unique, params, tokens = given["alpha"], 1e11, 2e10, 1e12
    best = (A / B) ** (1 / alpha) * unique
    of_params = best * (1 + given["rn_star"] * (1 - math.exp(-(params / best - 1) / given["rn_star"])))
    of_tokens = unique * (1 + given["rd_star"] * (1 - math.exp(-(tokens / unique - 1) / given["rd_star"])))
    loss = E + A / of_params**alpha + B / of_tokens**alpha
    ours = muennighoff().with_unique(unique).law.loss(params, tokens)
    yield Check("loss of 20 B on 10 epochs of 100 B", loss, ours, EXACT)


def constants() -> Iterator[Check]:
    """Kaplan, Step law, DeepSeek, Moonlight and the OLMo ladder, at one point each."""
    run = Run(7e9, 140e9)
    theirs = {
        "step-law": (1.79 * run.params**-0.713 * run.tokens**0.307, 0.58 * run.tokens**0.571),
        "deepseek": (0.3118 * run.flops**-0.1250, 0.2920 * run.flops**0.3271),
        "moonlight": (0.0127 * run.flops**-0.057, 0.0065 * run.flops**0.4138),
        "olmo-ladder": (None, 2048 * 160 * (run.params / 108e6) ** (2 / 3)),
    }
    for suggestion in suggestions(run):
        rate, batch = theirs[suggestion.law]
        assert suggestion.batch_tokens is not None
        yield Check(f"{suggestion.law}, batch", batch, suggestion.batch_tokens, EXACT)
        if rate is not None and suggestion.learning_rate is not None:
            yield Check(f"{suggestion.law}, learning rate", rate, suggestion.learning_rate, EXACT)
    kaplan = KaplanAllocation()
    yield Check("Kaplan, loss at 1e6 PF-days", (3.1e8 / 1e6) ** 0.050, kaplan.loss_of_compute(1e6 * PF_DAY_FLOPS), EXACT)
    whole = kaplan.with_embeddings(1e9)
    loss = ((8.8e13 / 1e9) ** (0.076 / 0.095) + 5.4e13 / 1e10) ** 0.095
    yield Check("Kaplan, loss of 1 B on 10 B tokens", loss, kaplan.loss(Run(whole, 1e10)), 1e-9)
