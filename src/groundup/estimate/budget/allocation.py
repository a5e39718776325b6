"""Laws that say how to spend compute: on which size, on how many tokens."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from groundup.core.errors import ConfigError
from groundup.estimate.budget.parametric import FLOPS_PER_PARAM_TOKEN, Parametric, bisect
from groundup.estimate.budget.published import published
from groundup.estimate.budget.uncertainty import chinchilla_draws, quantiles
from groundup.estimate.compute import PF_DAY_FLOPS

FAR = 100.0
"""Beyond the runs of a fit by more than this, what it says is a guess."""
_FLOPS = (1e6, 1e36)
_PARAMS, _TOKENS = (1.0, 1e20), (1.0, 1e20)


@dataclass(frozen=True)
class Run:
    """One training that a law speaks of."""

    params: float
    tokens: float

    @property
    def flops(self) -> float:
        return FLOPS_PER_PARAM_TOKEN * self.params * self.tokens

    @property
    def tokens_per_param(self) -> float:
        return self.tokens / self.params


@dataclass(frozen=True)
class Range:
    """Least and most of the runs that a law was fitted to."""

    params: tuple[float, float]
    tokens: tuple[float, float]

    def beyond(self, run: Run) -> tuple[float, str]:
        """Return by which factor the run lies outside, at most 1 inside, and of what."""
        found = [
            (max(value / high, low / value), f"{what} {low:.3g} to {high:.3g}")
            for what, value, (low, high) in (("parameters", run.params, self.params), ("tokens", run.tokens, self.tokens))
        ]
        return max(found)


class Allocation(ABC):
    """One law."""

    name: str
    source: str
    range: Range | None = None
    note: str = ""

    @abstractmethod
    def best(self, flops: float, inference_tokens: float = 0.0) -> Run:
        """Return the best run of that compute."""

    def loss(self, run: Run) -> float | None:
        """Return the loss that the law forecasts, in nats per token of the text and tokenizer of its fit; None if it has none."""
        return None

    def ratios(self, flops: float, inference_tokens: float = 0.0) -> list[float]:
        """Return tokens a parameter by other laws that the runs allow as well; none if that is not known."""
        return []

    def losses(self, run: Run) -> list[float]:
        """Return losses of the run by other laws that the runs allow as well."""
        return []

    @abstractmethod
    def for_params(self, params: float, inference_tokens: float = 0.0) -> Run:
        """Return the run for which a model of that size is best; raise ConfigError if it is so for no budget."""

    @abstractmethod
    def for_tokens(self, tokens: float, inference_tokens: float = 0.0) -> Run:
        """Return the run that is best on so many tokens; raise ConfigError if none is."""

    def sought(self, is_below: Callable[[float], bool], limits: tuple[float, float], what: str) -> float:
        """Return the number at which `is_below` turns, sought on logarithms; raise ConfigError if it does not within `limits`."""
        low, high = (math.log(limit) for limit in limits)
        if is_below(limits[1]) or not is_below(limits[0]):
            raise ConfigError(f"{self.name}: {what} are best for no budget between {limits[0]:.0e} and {limits[1]:.0e}")
        return math.exp(bisect(lambda log: is_below(math.exp(log)), low, high))


class ParametricAllocation(Allocation):
    """The best of L(N, D) (Hoffmann et al. 2022, approach 3), with repetition and serving where they are said."""

    def __init__(self, name: str, source: str, law: Parametric, runs: Range | None, draws: Sequence[Parametric] = ()) -> None:
        self.name, self.source, self.law, self.range, self.draws = name, source, law, runs, tuple(draws)

    def with_unique(self, unique_tokens: float) -> "ParametricAllocation":
        """Return the law for `unique_tokens` of text, seen again where there are more tokens (Muennighoff et al. 2023)."""
        draws = [replace(draw, unique_tokens=unique_tokens) for draw in self.draws]
        return ParametricAllocation(self.name, self.source, replace(self.law, unique_tokens=unique_tokens), self.range, draws)

    def best(self, flops: float, inference_tokens: float = 0.0) -> Run:
        return Run(*self.law.best(flops, inference_tokens))

    def loss(self, run: Run) -> float:
        return self.law.loss(run.params, run.tokens)

    def ratios(self, flops: float, inference_tokens: float = 0.0) -> list[float]:
        return [Run(*draw.best(flops, inference_tokens)).tokens_per_param for draw in self.draws]

    def losses(self, run: Run) -> list[float]:
        return [draw.loss(run.params, run.tokens) for draw in self.draws]

    def for_params(self, params: float, inference_tokens: float = 0.0) -> Run:
        def too_few(tokens: float) -> bool:
            return not self.law.is_too_small(params, tokens, inference_tokens)

        return Run(params, self.sought(too_few, _TOKENS, f"{params:.4g} parameters"))

    def for_tokens(self, tokens: float, inference_tokens: float = 0.0) -> Run:
        def too_small(params: float) -> bool:
            return self.law.is_too_small(params, tokens, inference_tokens)

        return Run(self.sought(too_small, _PARAMS, f"{tokens:.4g} tokens"), tokens)

    def cheapest(self, loss: float, inference_tokens: float) -> Run:
        """Return the run that reaches the loss with the least compute for training and serving together."""
        return Run(*self.law.cheapest(loss, inference_tokens))


class KaplanAllocation(Allocation):
    """N ~ C^0.73 (Kaplan et al. 2020, section 6.1), N and C without embeddings; `Run.params` holds them again.

    Embeddings are added of GPT-2's vocabulary and positions, for a width of a hundred times the depth.
    """

    name = "kaplan"

    def __init__(self) -> None:
        facts = published()["kaplan"]
        self.facts = facts
        self.source = facts["source"]
        self.range = Range(tuple(facts["runs"]["params"]), tuple(facts["runs"]["tokens"]))
        self.note = "small models and one schedule for all lengths made its optimum too large (Hoffmann et al. 2022, section 2)"

    def best(self, flops: float, inference_tokens: float = 0.0) -> Run:
        del inference_tokens

        def too_cheap(log_flops: float) -> bool:
            return self._run(math.exp(log_flops)).flops < flops

        return self._run(math.exp(bisect(too_cheap, math.log(flops) - 20, math.log(flops))))

    def for_params(self, params: float, inference_tokens: float = 0.0) -> Run:
        del inference_tokens
        core = self.core_params(params)
        return self._run(PF_DAY_FLOPS * math.pow(core / self.facts["params_at_pf_day"], 1 / self.facts["allocation"]["N"]))

    def for_tokens(self, tokens: float, inference_tokens: float = 0.0) -> Run:
        del inference_tokens
        return self._run(self.sought(lambda flops: self._run(flops).tokens < tokens, _FLOPS, f"{tokens:.4g} tokens"))

    def loss(self, run: Run) -> float:
        """L(N, D) = ((Nc / N)^(a_N / a_D) + Dc / D)^a_D (equation 1.5)."""
        of_params, of_tokens = self.facts["L_N"], self.facts["L_D"]
        exponent = of_params["alpha"] / of_tokens["alpha"]
        core = self.core_params(run.params)
        return float(((of_params["Nc"] / core) ** exponent + of_tokens["Dc"] / run.tokens) ** of_tokens["alpha"])

    def loss_of_compute(self, flops: float) -> float:
        """L(C_min) = (Cc / C_min)^0.050 (equation 1.3), C without embeddings."""
        facts = self.facts["L_Cmin"]
        return float((facts["Cc_pf_days"] * PF_DAY_FLOPS / flops) ** facts["alpha"])

    def core_params(self, params: float) -> float:
        """Return the parameters without embeddings of a model that has `params` with them."""
        return math.exp(bisect(lambda log_core: self.with_embeddings(math.exp(log_core)) < params, 0.0, math.log(params)))

    def with_embeddings(self, core: float) -> float:
        """Return the parameters of a model that has `core` without embeddings: N = 12 L d^2 at d = 100 L."""
        width = (core * self.facts["width_over_depth"] / 12) ** (1 / 3)
        return float(core + (self.facts["vocab_size"] + self.facts["max_seq_len"]) * width)

    def _run(self, flops: float) -> Run:
        core = self.facts["params_at_pf_day"] * (flops / PF_DAY_FLOPS) ** self.facts["allocation"]["N"]
        return Run(self.with_embeddings(core), flops / FLOPS_PER_PARAM_TOKEN / core)


class LineAllocation(Allocation):
    """N and D as straight lines over compute, on logarithms (Hoffmann et al. 2022, approaches 1 and 2)."""

    def __init__(
        self,
        name: str,
        source: str,
        rows: Sequence[tuple[float, float, float]],
        runs: Range | None = None,
        draws: Sequence["LineAllocation"] = (),
    ) -> None:
        self.name, self.source, self.range, self.draws = name, source, runs, draws
        self.rows = [tuple(math.log(value) for value in row) for row in rows]

    def best(self, flops: float, inference_tokens: float = 0.0) -> Run:
        del inference_tokens
        place = math.log(flops)
        pairs = list(zip(self.rows[:-1], self.rows[1:], strict=True))
        low, high = next((pair for pair in pairs if place <= pair[1][1]), pairs[-1])
        share = (place - low[1]) / (high[1] - low[1])
        return Run(math.exp(low[0] + share * (high[0] - low[0])), math.exp(low[2] + share * (high[2] - low[2])))

    def ratios(self, flops: float, inference_tokens: float = 0.0) -> list[float]:
        del inference_tokens
        return [draw.best(flops).tokens_per_param for draw in self.draws]

    def for_params(self, params: float, inference_tokens: float = 0.0) -> Run:
        del inference_tokens
        return self.best(self.sought(lambda flops: self.best(flops).params < params, _FLOPS, f"{params:.4g} parameters"))

    def for_tokens(self, tokens: float, inference_tokens: float = 0.0) -> Run:
        del inference_tokens
        return self.best(self.sought(lambda flops: self.best(flops).tokens < tokens, _FLOPS, f"{tokens:.4g} tokens"))


def chinchilla() -> ParametricAllocation:
    """Return the refit of approach 3, with what is known of how sure it is."""
    facts = published()["chinchilla"]
    return ParametricAllocation("chinchilla", facts["source"], Parametric(**facts["params"]), _range(facts), chinchilla_draws())


def hoffmann() -> ParametricAllocation:
    """Return approach 3 as Hoffmann et al. 2022 fitted it, which later work could not reproduce."""
    facts = published()["hoffmann"]
    return ParametricAllocation("hoffmann", facts["source"], Parametric(**facts["params"]), _range(facts))


def muennighoff() -> ParametricAllocation:
    """Return the law of Muennighoff et al. 2023, fitted to C4."""
    facts = published()["muennighoff"]
    logs = facts["log_params"]
    law = Parametric(math.exp(logs["e"]), math.exp(logs["a"]), math.exp(logs["b"]), **facts["exponents"])
    return ParametricAllocation("muennighoff", facts["source"], law, _range(facts))


def approach_1() -> LineAllocation:
    """Return the envelope of training curves."""
    facts = published()["approach_1"]
    rows = [
        (
            10 ** (facts["params"]["exponent"] * power + facts["params"]["log10"]),
            10.0**power,
            10 ** (facts["tokens"]["exponent"] * power + facts["tokens"]["log10"]),
        )
        for power in (18, 26)
    ]
    return LineAllocation("approach-1", facts["source"], rows)


def approach_2() -> LineAllocation:
    """Return the isoFLOP parabolas."""
    facts = published()["approach_2"]
    return LineAllocation("approach-2", facts["source"], [(row[0], row[1], row[2]) for row in facts["rows"]])


def interval(values: Sequence[float], share: float) -> tuple[float, float] | None:
    """Return the bounds of the middle `share` of the values; None if there are too few."""
    return quantiles(values, share) if len(values) > 1 else None


def _range(facts: Mapping[str, Any]) -> Range:
    runs = facts["runs"]
    return Range((runs["params"][0], runs["params"][1]), (runs["tokens"][0], runs["tokens"][1]))


LAWS = {
    "chinchilla": chinchilla,
    "hoffmann": hoffmann,
    "approach-1": approach_1,
    "approach-2": approach_2,
    "kaplan": KaplanAllocation,
    "muennighoff": muennighoff,
}
