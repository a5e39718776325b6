"""What is known of a text, of the models at hand and of the budget, when one asks whether to use, adapt or train a model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from groundup.core.errors import ConfigError
from groundup.estimate.budget.allocation import Run, chinchilla
from groundup.estimate.laws import VOCABULARY_FACTOR, Law, effective_tokens, law_for

Way = Literal["use", "adapt", "own"]
"""An existing model as it is; one trained on with the text; one's own from the first step."""
Answer = Literal["use", "adapt", "own", "cannot_tell"]


@dataclass(frozen=True)
class Threshold:
    """A number that an answer turns on."""

    name: str
    value: float
    source: str


EPOCHS: Final = Threshold(
    "EPOCHS", 4.0, "Muennighoff et al. 2023, abstract: up to 4 epochs are worth nearly as much as fresh tokens"
)
FERTILITY_FITS: Final = Threshold(
    "FERTILITY_FITS",
    1.2,
    "half or twice the vocabulary changes the tokens by 11 to 13 % (docs/log.md), so less than this is a matter of size",
)
FERTILITY_POOR: Final = Threshold(
    "FERTILITY_POOR", 1.68, "Ali et al. 2024, abstract: training costs up to 68 % more with a tokenizer of other languages"
)
GAIN: Final = Threshold("GAIN", 0.02, "judged: what a mixture with word pairs of the text saves, if the model knows it, is less")
TEXT_FACTOR: Final = Threshold(
    "TEXT_FACTOR",
    1.5,
    "judged: xz makes 1.8 to 2.6 bits per byte of eight English texts (docs/choose.md); a law is of one corpus, your text another",
)


ADAPT_TOKENS: Final = Threshold(
    "ADAPT_TOKENS",
    1e8,
    "judged: a part of a longer text does to begin with; Gururangan et al. 2020 had 2.1 to 8.1 G tokens",
)
THRESHOLDS: Final = (EPOCHS, FERTILITY_FITS, FERTILITY_POOR, GAIN, ADAPT_TOKENS, TEXT_FACTOR)


@dataclass(frozen=True)
class TextFacts:
    """The user's text."""

    bytes: int
    held_out_bytes: int
    """Of which the models are scored."""
    bytes_per_token: float
    """By the tokenizer trained on the text, on what is held out."""
    vocab_size: int
    """Of that tokenizer."""
    baseline_bits_per_byte: float
    """Of a bigram model of the text, on what is held out."""

    @property
    def tokens(self) -> float:
        """Of that tokenizer, in all of the text."""
        return self.bytes / self.bytes_per_token


@dataclass(frozen=True)
class TokenizerFacts:
    """A tokenizer on the held-out text."""

    name: str
    vocab_size: int
    fertility: float
    """Tokens a word."""
    bytes_per_token: float
    unknown_rate: float
    ratio: float
    """Its tokens over those of the tokenizer trained on the text."""


@dataclass(frozen=True)
class CandidateFacts:
    """A model at hand, on the held-out text."""

    name: str
    params: int
    tokenizer: TokenizerFacts
    bits_per_byte: float | None
    """None where the model does not say how probable a text is."""
    gain: float | None = None
    """Share of its bits that a bigram model of the text saves when it is mixed in."""
    why_not: str | None = None
    """Why nothing was measured."""


@dataclass(frozen=True)
class Purse:
    """What may be spent."""

    flops: float | None = None
    flops_per_hour: float | None = None
    """Of one device at the utilisation that is assumed; None if no hardware was said."""
    words: str = ""

    def hours(self, flops: float | None) -> float | None:
        """Return the device-hours that so many FLOPs take."""
        return None if flops is None or self.flops_per_hour is None else flops / self.flops_per_hour


@dataclass(frozen=True)
class Option:
    """One of the three ways, with what it takes and gives."""

    way: Way
    possible: bool | None
    """None where it cannot be told."""
    why: str
    model: str | None = None
    params: float | None = None
    tokens: float | None = None
    epochs: float | None = None
    flops: float | None = None
    device_hours: float | None = None
    bits_per_byte: float | None = None
    interval: tuple[float, float] | None = None
    """Of the bits per byte, where they are predicted and not measured."""


@dataclass(frozen=True)
class Reason:
    """One question on the way to the answer, with the numbers that decide it."""

    question: str
    finding: str
    numbers: Mapping[str, float | None]
    threshold: Threshold | None = None
    speaks_for: tuple[Way, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The answer, with everything that it rests on."""

    recommendation: Answer
    summary: str
    reasons: tuple[Reason, ...]
    options: tuple[Option, ...]
    missing: tuple[str, ...]
    """What would make the answer possible, or surer."""
    text: TextFacts
    tokenizers: tuple[TokenizerFacts, ...]
    candidates: tuple[CandidateFacts, ...]
    budget: Purse = field(default_factory=Purse)


def purse(
    flops: float | None,
    device_hours: float | None,
    money: float | None,
    price_per_hour: float | None,
    flops_per_hour: float | None,
) -> Purse:
    """Return what may be spent, said in one way or in none; ConfigError where it is said twice, or not enough to count FLOPs.

    `flops_per_hour` are those that one device does for the model.
    """
    said = {"--flops or --pf-days": flops, "--device-hours": device_hours, "--money": money}
    named = [name for name, value in said.items() if value is not None]
    for name in named:
        value = said[name]
        if value is None or not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} {value}: a budget is above 0")
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)} both say what may be spent; keep one")
    if (device_hours is not None or money is not None) and flops_per_hour is None:
        raise ConfigError(f"{named[0]} needs --hardware NAME, to know what a device does in an hour ('groundup plan hardware')")
    if money is not None:
        if price_per_hour is None or price_per_hour <= 0:
            raise ConfigError("--money needs --price-per-hour X above 0, of one device")
        device_hours = money / price_per_hour
    elif price_per_hour is not None:
        raise ConfigError("--price-per-hour: no effect without --money; leave it out, or say both")
    if device_hours is not None and flops_per_hour is not None:
        return Purse(device_hours * flops_per_hour, flops_per_hour, f"{device_hours:,.4g} device-hours")
    return Purse(flops, flops_per_hour, "" if flops is None else f"{flops:.3g} FLOPs")


def own_model(text: TextFacts, budget: Purse) -> Option:
    """Return the model that text and budget bear: compute-optimal by the law of `plan budget`, on at most `EPOCHS` epochs.

    Its loss is that of the law for its size, where such a run lies among those the law was fitted to, in bits a byte by the tokens
    of the text's own tokenizer.
    """
    by_data, by_budget = borne_by(text), wanted_by(budget)
    run = by_data if by_budget is None or by_data.flops < by_budget.flops else by_budget
    params, tokens = run.params, run.tokens
    law = law_for(params)
    fresh = effective_tokens(tokens, text.tokens)
    bits = law.loss(params, fresh) / math.log(2) / text.bytes_per_token if law.covers(params, fresh, text.vocab_size) else None
    bound = "the text bears no more" if run is by_data else "the budget bears no more"
    return Option(
        way="own",
        possible=True,
        why=bound if budget.flops is not None else "as much as the text bears; no budget was said",
        params=params,
        tokens=tokens,
        epochs=tokens / text.tokens,
        flops=run.flops,
        device_hours=budget.hours(run.flops),
        bits_per_byte=bits,
        interval=None if bits is None else (bits / TEXT_FACTOR.value, bits * TEXT_FACTOR.value),
    )


def borne_by(text: TextFacts) -> Run:
    """Return the run that is best on `EPOCHS` epochs of the text."""
    return chinchilla().for_tokens(EPOCHS.value * text.tokens)


def wanted_by(budget: Purse) -> Run | None:
    """Return the run that the budget is best spent on, if text were no bound; None without a budget."""
    return None if budget.flops is None else chinchilla().best(budget.flops)


def why_no_law(text: TextFacts, own: Option) -> str:
    """Return in words why the loss of a model of one's own cannot be told."""
    law: Law = law_for(own.params or 0.0)
    return (
        f"the law for {own.params:.3g} parameters was fitted to runs of {law.params[0]:.2g} to {law.params[1]:.2g} parameters on "
        f"{law.tokens[0]:.2g} to {law.tokens[1]:.2g} tokens of a vocabulary within {VOCABULARY_FACTOR} times {law.vocab_size:,}; "
        f"this is {own.tokens:.3g} tokens of one of {text.vocab_size:,}"
    )


def adapted(candidate: CandidateFacts, text: TextFacts, budget: Purse) -> Option:
    """Return what training a candidate on with the text costs: one epoch, 6 N D, or as much of it as the budget bears.

    Possible if that is a whole epoch, or `ADAPT_TOKENS`.
    """
    epoch = text.bytes / candidate.tokenizer.bytes_per_token
    borne = math.inf if budget.flops is None else budget.flops / 6 / candidate.params
    tokens = min(epoch, borne)
    possible = None if budget.flops is None else borne >= min(epoch, ADAPT_TOKENS.value)
    part = "one epoch" if tokens == epoch else f"{tokens / epoch:.2g} of an epoch"
    why = {None: "no budget was said", True: f"the budget bears {part}", False: f"the budget bears no more than {part}"}[possible]
    flops = 6 * candidate.params * tokens
    hours = budget.hours(flops)
    return Option("adapt", possible, why, candidate.name, candidate.params, tokens, tokens / epoch, flops, hours)


def used(candidate: CandidateFacts) -> Option:
    """Return a candidate as it is."""
    return Option("use", True, "costs no training", candidate.name, candidate.params, 0.0, 0.0, 0.0, 0.0, candidate.bits_per_byte)


def best_of(candidates: tuple[CandidateFacts, ...]) -> CandidateFacts | None:
    """Return the candidate that predicts the text best; None if none was measured."""
    measured = [candidate for candidate in candidates if candidate.bits_per_byte is not None]
    return min(measured, key=lambda candidate: candidate.bits_per_byte or math.inf) if measured else None


def as_json(choice: Choice) -> dict[str, Any]:
    """Return the choice as plain data."""
    plain: dict[str, Any] = _plain(choice)
    plain["text"]["tokens"] = choice.text.tokens
    return plain


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
