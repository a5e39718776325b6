"""Shares of sources, to the token: which part each has, and what is spread over the others where one runs out."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from groundup.core.config import nearest
from groundup.core.errors import ConfigError, DataError
from groundup.core.units import format_count
from groundup.encode.config import MixConfig


@dataclass(frozen=True)
class Supply:
    """A source's text for training."""

    name: str
    tokens: int
    documents: int


@dataclass(frozen=True)
class Part:
    """What a source gives to the mix."""

    supply: Supply
    share: Fraction
    """What was asked for, of 1."""
    max_epochs: float
    limit: int
    """Tokens that it can give."""
    tokens: int
    """Tokens that it gives, repeats included."""


def fill(total: int, shares: Sequence[Fraction], limits: Sequence[int]) -> list[int]:
    """Return how `total` is divided by the shares, none above its limit, to the unit.

    Water-filling: the parts are min(limit, level x share) with the one level at which they sum up to the total. What is left after
    rounding down goes to the largest remainders. Raises ValueError if the limits of those with a share are less than the total.
    """
    parts = [0] * len(shares)
    open_ = [number for number, share in enumerate(shares) if share > 0]
    if sum(limits[number] for number in open_) < total:
        raise ValueError("the limits are less than the total")
    left = total
    while open_:
        level = Fraction(left) / sum(shares[number] for number in open_)
        full = [number for number in open_ if level * shares[number] >= limits[number]]
        if not full:
            break
        for number in full:
            parts[number] = limits[number]
            left -= limits[number]
        open_ = [number for number in open_ if number not in full]
    for number in open_:
        parts[number] = floor(level * shares[number])
    by_remainder = sorted(open_, key=lambda number: (parts[number] - level * shares[number], number))
    for number in by_remainder[: total - sum(parts)]:
        parts[number] += 1
    return parts


def divide(config: MixConfig, supplies: Sequence[Supply]) -> list[Part]:
    """Return what each source gives.

    Raises ConfigError if a source is named that there is not, or one left unnamed; DataError if the sources cannot give
    `config.tokens` within their epochs.
    """
    shares = _shares(config, supplies)
    caps = [config.epochs.get(supply.name, config.max_epochs) for supply in supplies]
    limits = [floor(Fraction(cap) * supply.tokens) for supply, cap in zip(supplies, caps, strict=True)]
    total = config.tokens if config.tokens is not None else _most(shares, limits)
    most = sum(limit for limit, share in zip(limits, shares, strict=True) if share)
    if not most:
        raise DataError(f"encode.mix: none of the sources with a share ({_named(shares, supplies)}) has text to train on")
    if most < total:
        raise DataError(_unreachable(total, most, config, list(zip(supplies, caps, limits, shares, strict=True))))
    parts = fill(total, shares, limits)
    return [Part(*given) for given in zip(supplies, shares, caps, limits, parts, strict=True)]


def notes(parts: Sequence[Part]) -> tuple[str, ...]:
    """Return in words what comes out otherwise than asked for."""
    total = sum(part.tokens for part in parts)
    short = [part for part in parts if part.share and part.tokens == part.limit and part.tokens + 1 < part.share * total]
    if not short:
        return ()
    others = ", ".join(
        f"'{part.supply.name}' {part.tokens / total:.1%} instead of {float(part.share):.1%}"
        for part in parts
        if part.share and part not in short
    )
    said = [
        f"'{part.supply.name}' runs out: {format_count(part.supply.tokens)} tokens, {part.max_epochs:g} times, are "
        f"{part.tokens / total:.1%} of the mix instead of {float(part.share):.1%}"
        for part in short
    ]
    return (*said, f"what they lack is spread over the others by their shares: {others}")


def _shares(config: MixConfig, supplies: Sequence[Supply]) -> list[Fraction]:
    """Return each source's share of 1."""
    known = [supply.name for supply in supplies]
    for name in sorted(config.named):
        if name not in known:
            raise ConfigError(f"encode.mix: no source '{name}' in the text; {nearest(name, known)}")
    if config.shares is None:
        assert config.temperature is not None, "MixConfig asks for one of the two"
        weights = [Fraction(supply.tokens ** (1 / config.temperature)) for supply in supplies]
    else:
        for name in known:
            if name not in config.shares:
                raise ConfigError(f"encode.mix.shares: nothing is said of source '{name}'; give it a share, 0 to leave it out")
        weights = [Fraction(str(config.shares[name])) for name in known]
    total = sum(weights)
    return [weight / total if total else Fraction(0) for weight in weights]


def _most(shares: Sequence[Fraction], limits: Sequence[int]) -> int:
    """Return the most tokens that can be had at exactly these shares of the sources that have text."""
    able = [(share, limit) for share, limit in zip(shares, limits, strict=True) if share and limit]
    whole = sum(share for share, _ in able)
    return min((floor(limit * whole / share) for share, limit in able), default=0)


def _named(shares: Sequence[Fraction], supplies: Sequence[Supply]) -> str:
    return ", ".join(supply.name for supply, share in zip(supplies, shares, strict=True) if share)


def _unreachable(total: int, most: int, config: MixConfig, given: Sequence[tuple[Supply, float, int, Fraction]]) -> str:
    able = " + ".join(f"'{supply.name}' {format_count(supply.tokens)} x {cap:g}" for supply, cap, _, share in given if share)
    once = sum(supply.tokens for supply, _, _, share in given if share)
    needed = ceil(config.max_epochs * total / most * 100) / 100
    return (
        f"encode.mix.tokens={total:,} cannot be reached: the sources give at most {most:,} ({able}); lower it to that, raise "
        f"encode.mix.max_epochs to {needed:g} or more, or add text: {format_count((total - most) / (most / once))} tokens more "
        "at these epochs"
    )
