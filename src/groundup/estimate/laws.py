"""Loss as a function of model size and training tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from groundup.estimate.budget.parametric import Number, best_of, discounted, r_d_star, size_for, worth
from groundup.estimate.budget.published import published

Numbers: TypeAlias = Mapping[str, Number]
"""Constants by name: one of each, or arrays of as many of each."""
Run: TypeAlias = Mapping[str, Number]
"""params, tokens, unique_tokens, flops of a run, or of many."""


@dataclass(frozen=True)
class Law:
    """L(N, D) = E + A / N^alpha + B / D^beta, in nats per token (Hoffmann et al. 2022, equation 2)."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    source: str
    params: tuple[float, float]
    """Smallest and largest model of the runs that the law was fitted to."""
    tokens: tuple[float, float]
    """Fewest and most fresh tokens of those runs."""
    vocab_size: int
    """Of their tokenizer: nats are per token, so that another vocabulary has another loss."""

    def loss(self, params: float, tokens: float) -> float:
        return float(chinchilla_loss({"params": params, "tokens": tokens}, vars(self)))

    def covers(self, params: float, tokens: float, vocab_size: int) -> bool:
        """Return whether such a run lies among those that the law was fitted to, up to a factor of two in the vocabulary."""
        near = 1 / VOCABULARY_FACTOR <= vocab_size / self.vocab_size <= VOCABULARY_FACTOR
        return near and self.params[0] <= params <= self.params[1] and self.tokens[0] <= tokens <= self.tokens[1]


VOCABULARY_FACTOR = 2
"""From 4,096 tokens to 2,048 or 8,192 the bytes a token holds, and with them its nats, change by 11 to 13 % (docs/log.md)."""


def _chinchilla() -> Law:
    """Return the law that `plan budget` takes by default, with the runs that it was fitted to."""
    facts = published()["chinchilla"]
    runs = facts["runs"]
    return Law(
        **facts["params"],
        source=facts["source"],
        params=(runs["params"][0], runs["params"][1]),
        tokens=(runs["tokens"][0], runs["tokens"][1]),
        vocab_size=runs["vocab_size"],
    )


CHINCHILLA = _chinchilla()
CHINCHILLA_MIN_PARAMS = CHINCHILLA.params[0]
"""The smallest model that CHINCHILLA was fitted to."""

SMALL_RUNS = Law(
    E=1.305,
    A=0.94e6,
    B=498.0,
    alpha=1.0,
    beta=0.3658,  # held while fitting: Besiroglu et al. 2024, as printed
    source="fitted to runs of 1 to 4 M parameters on documentation (docs/log.md), repeated tokens as in Muennighoff et al. 2023",
    params=(0.9e6, 4.2e6),
    tokens=(0.25e6, 4.7e6),
    vocab_size=4096,
)
"""For millions of parameters and tokens on narrow text, where CHINCHILLA, fitted a thousand times above, says nonsense."""

R_D_STAR = r_d_star()
"""Half-life of repeated tokens (Muennighoff et al. 2023, section 5 and released fit)."""


def effective_tokens(tokens: float, unique_tokens: float) -> float:
    """Return the fresh tokens worth as much as `tokens` drawn again and again from `unique_tokens`.

    D' = U + U R* (1 - exp(-R / R*)) with R = D / U - 1 repetitions (Muennighoff et al. 2023, equation 5).
    """
    return worth(tokens, unique_tokens, R_D_STAR)


def law_for(params: float) -> Law:
    """Return the law whose runs are nearest in size to a model of that many parameters."""
    return CHINCHILLA if params >= CHINCHILLA_MIN_PARAMS else SMALL_RUNS


def chinchilla_loss(run: Run, law: Numbers) -> Number:
    """Return E + A / N^alpha + B / D^beta [nats a token] (Hoffmann et al. 2022, equation 2)."""
    return law["E"] + law["A"] / run["params"] ** law["alpha"] + law["B"] / run["tokens"] ** law["beta"]


def optimal_size(flops: float, law: Numbers) -> tuple[Number, Number]:
    """Return N and D with the least loss under flops = 6 N D (Hoffmann et al. 2022, equation 4)."""
    return best_of(flops, law["alpha"], law["A"], law["beta"], law["B"])


def data_constrained_loss(run: Run, law: Numbers) -> Number:
    """Return E + A / N'^alpha + B / D'^beta (Muennighoff et al. 2023, equations 5 and 6 with their released form).

    D' is what D tokens of U unique ones are worth; N' the same of U_N, the size that U tokens are best for, at most N. Constants
    may be complex, for derivatives.
    """
    asked = size_for(run["unique_tokens"], law["alpha"], law["A"], law["beta"], law["B"])
    base = np.where(np.less(np.real(asked), run["params"]), asked, run["params"])
    params = discounted(base, run["params"] / base - 1, law["R_N_star"], np.expm1)
    tokens = discounted(run["unique_tokens"], run["tokens"] / run["unique_tokens"] - 1, law["R_D_star"], np.expm1)
    return chinchilla_loss({"params": params, "tokens": tokens}, law)


def kaplan_loss(run: Run, law: Numbers) -> Number:
    """Return ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D (Kaplan et al. 2020, equation 1.5)."""
    of_params = (law["N_c"] / run["params"]) ** (law["alpha_N"] / law["alpha_D"])
    return (of_params + law["D_c"] / run["tokens"]) ** law["alpha_D"]


def power_loss(quantity: str, symbol: str) -> Callable[[Run, Numbers], Number]:
    """Return the law (X_c / X)^alpha_X of one quantity (Kaplan et al. 2020, equations 1.1 to 1.3)."""

    def loss(run: Run, law: Numbers) -> Number:
        return (law[f"{symbol}_c"] / run[quantity]) ** law[f"alpha_{symbol}"]

    return loss


def frontier_size(flops: float, law: Numbers) -> tuple[Number, Number]:
    """Return N = N_coef C^a and D = D_coef C^b (Hoffmann et al. 2022, approaches 1 and 2)."""
    return law["N_coef"] * flops ** law["a"], law["D_coef"] * flops ** law["b"]


LOSSES: dict[str, Callable[[Run, Numbers], Number]] = {
    "chinchilla": chinchilla_loss,
    "data-constrained": data_constrained_loss,
    "kaplan": kaplan_loss,
    "kaplan-params": power_loss("params", "N"),
    "kaplan-tokens": power_loss("tokens", "D"),
    "kaplan-compute": power_loss("flops", "C"),
}
"""Law -> loss of a run (params, tokens, unique_tokens, flops) by its constants."""
BEST_SIZES: dict[str, Callable[[float, Numbers], tuple[Number, Number]]] = {
    "chinchilla": optimal_size,
    "data-constrained": optimal_size,
    "isoflop": frontier_size,
    "envelope": frontier_size,
}
"""Law -> the best size and tokens under a compute, all of them fresh."""
