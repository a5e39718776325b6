"""How the next token is chosen from its logits."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from groundup.core.errors import ConfigError
from groundup.nn.config import GenerationConfig

TEMPERATURE = 0.7
TOP_P = 0.95
_MIN_TEMPERATURE = 1e-30
"""Far below it float32 divides by zero."""


class Sampler(ABC):
    """A choice of one token, from its logits and the tokens before it."""

    @abstractmethod
    def __call__(self, logits: Float[Tensor, " vocab"], seen: Sequence[int] = ()) -> int: ...


class Greedy(Sampler):
    """The most likely token; the first of equals."""

    def __call__(self, logits: Float[Tensor, " vocab"], seen: Sequence[int] = ()) -> int:
        return int(logits.argmax())


class Random(Sampler):
    """A token drawn from softmax(logits / temperature), cut to the likely ones, from a random stream of its own.

    `top_k` keeps the k likeliest tokens; `top_p` the fewest likeliest that hold at least that probability together
    (nucleus sampling, Holtzman et al. 2020, section 3.1); `min_p` those at least that share as probable as the likeliest (Nguyen et
    al. 2024, section 3). In this order, each on what the one before left.
    """

    def __init__(
        self, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0, seed: int = 0, min_p: float = 0.0
    ) -> None:
        if not _MIN_TEMPERATURE <= temperature < math.inf:
            raise ConfigError(
                f"temperature={temperature} must be {_MIN_TEMPERATURE} or more; for the most likely token take greedy"
            )
        if top_k is not None and top_k < 1:
            raise ConfigError(f"top_k={top_k} leaves no token to choose; take 1 or more, or leave it out")
        if not 0 < top_p <= 1:
            raise ConfigError(f"top_p={top_p} must be above 0 and at most 1 (1 keeps every token)")
        if not 0 <= min_p <= 1:
            raise ConfigError(f"min_p={min_p} must be from 0 (keeps every token) to 1")
        self._temperature, self._top_k, self._top_p, self._min_p = temperature, top_k, top_p, min_p
        if not -(2**63) <= seed < 2**64:
            raise ConfigError(f"seed={seed} does not fit 64 bits; take a smaller one")
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, logits: Float[Tensor, " vocab"], seen: Sequence[int] = ()) -> int:
        logits = logits.float().cpu()
        kept = min(self._top_k or len(logits), len(logits))
        scores, ids = logits.topk(kept)  # most likely first
        probs = torch.softmax((scores - scores[0]) / self._temperature, dim=-1)
        probs = nucleus(probs, self._top_p)
        probs = probs.masked_fill(probs < self._min_p * probs[0], 0.0)
        return int(ids[torch.multinomial(probs, 1, generator=self._generator)])


class Penalised(Sampler):
    """Another sampler's choice, after logits of tokens seen before are made less: divided by the penalty, or times it below zero.

    Keskar et al. 2019, section 4.1, as the field has it for negative logits.
    """

    def __init__(self, sampler: Sampler, penalty: float) -> None:
        if not 0 < penalty < math.inf:
            raise ConfigError(f"repetition_penalty={penalty} must be above 0 (1 changes nothing, above 1 repeats less)")
        self._sampler, self._penalty = sampler, penalty

    def __call__(self, logits: Float[Tensor, " vocab"], seen: Sequence[int] = ()) -> int:
        again = torch.tensor(sorted(set(seen)), dtype=torch.long, device=logits.device)
        old = logits[again]
        new = torch.where(old > 0, old / self._penalty, old * self._penalty)
        return self._sampler(logits.index_copy(0, again, new), seen)


def nucleus(probs: Float[Tensor, " kept"], top_p: float) -> Float[Tensor, " kept"]:
    """Return the falling `probs` with zero after the fewest that sum to at least `top_p`."""
    before = probs.cumsum(0) - probs
    return probs.masked_fill(before >= top_p, 0.0)


def make_sampler(config: GenerationConfig) -> Sampler:
    """Return the sampler of the settings, with temperature 0.7 and top_p 0.95 where nothing else is said."""
    temperature = TEMPERATURE if config.temperature is None else config.temperature
    sampler: Sampler = Greedy()
    if not config.greedy and temperature:
        top_p = TOP_P if config.top_p is None else config.top_p
        sampler = Random(temperature, config.top_k, top_p, config.seed, config.min_p or 0.0)
    return sampler if config.repetition_penalty == 1 else Penalised(sampler, config.repetition_penalty)
