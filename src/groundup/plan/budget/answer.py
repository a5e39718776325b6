"""The answer to `plan budget`, for machines and for people."""

import math
from dataclasses import dataclass
from typing import Any

from groundup.core.units import format_bytes, format_count
from groundup.estimate.budget.allocation import Allocation, Run
from groundup.estimate.budget.hyperparameters import Suggestion
from groundup.estimate.compute import PF_DAY_FLOPS
from groundup.estimate.hardware import Hardware
from groundup.estimate.spending import DAY_S, HOUR_S
from groundup.plan.budget.alternatives import Alternative, forecast
from groundup.plan.budget.collecting import RawYield
from groundup.plan.budget.config import BudgetQuestion

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Price:
    """What an hour of a device does, and costs."""

    hardware: Hardware
    precision: str
    peak_flops_per_s: float
    mfu: float
    mfu_source: str
    per_hour: float | None

    @property
    def flops_per_hour(self) -> float:
        return self.peak_flops_per_s * self.mfu * HOUR_S


@dataclass(frozen=True)
class BudgetAnswer:
    """The best run of a budget, or the one that was wished."""

    question: BudgetQuestion
    told: str
    """The budget in words."""
    law: Allocation
    run: Run
    best: Run
    """What the law would spend the same compute on."""
    is_chosen: bool
    """Whether size or tokens were wished."""
    ratios: tuple[Interval, Interval]
    """Of tokens a parameter, 80 and 95 %."""
    losses: tuple[Interval, Interval]
    price: Price | None
    raw: RawYield
    suggestions: list[Suggestion]
    alternatives: list[Alternative]
    warnings: list[str]

    @property
    def loss(self) -> float | None:
        """What the law forecasts; None where it has none, or says more than a blind guess."""
        return forecast(self.law, self.run)

    @property
    def device_hours(self) -> float | None:
        """Of the final run."""
        return None if self.price is None else self.run.flops / self.price.flops_per_hour

    @property
    def cost(self) -> float | None:
        hours = self.device_hours
        return None if hours is None or self.price is None or self.price.per_hour is None else hours * self.price.per_hour

    @property
    def devices(self) -> int | None:
        """How many there are, or how many meet the deadline."""
        hours, days = self.device_hours, self.question.deadline_days
        if self.question.devices is None and days is not None and hours is not None:
            return math.ceil(hours / (days * DAY_S / HOUR_S) * (1 - 1e-12))
        return self.question.devices

    @property
    def elapsed_s(self) -> float | None:
        hours, devices = self.device_hours, self.devices
        return None if hours is None or devices is None else hours * HOUR_S / devices

    @property
    def epochs(self) -> float | None:
        """Times that the text at hand is read; None if it was not said how much there is."""
        available = self.question.available_tokens
        return None if available is None else self.run.tokens / available

    @property
    def tokens_to_collect(self) -> float:
        """Fresh tokens that the run asks for: its own, or what the text at hand lacks of what the budget would be best spent on."""
        available = self.question.available_tokens
        if available is None:
            return self.run.tokens
        wished = [other.run.tokens for other in self.alternatives if "of fresh text" in other.what]
        return max(0.0, max([self.run.tokens if not wished else 0.0, *wished]) - available)

    def as_json(self) -> dict[str, Any]:
        """Return all numbers in plain SI: FLOPs, tokens, bytes, seconds, nats; money in the user's."""
        run, price, raw = self.run, self.price, self.raw
        return {
            "budget": self.told,
            "flops": run.flops,
            "pf_days": run.flops / PF_DAY_FLOPS,
            "law": self.law.name,
            "source": self.law.source,
            "params": run.params,
            "tokens": run.tokens,
            "tokens_per_param": run.tokens_per_param,
            "tokens_per_param_interval": self.ratios[1],
            "tokens_per_param_interval_80": self.ratios[0],
            "loss": self.loss,
            "loss_interval": None if self.loss is None else self.losses[1],
            "loss_interval_80": None if self.loss is None else self.losses[0],
            "epochs": self.epochs,
            "tokens_to_collect": self.tokens_to_collect,
            "raw_bytes_to_collect": raw.raw_bytes(self.tokens_to_collect),
            "raw_bytes_interval": raw.raw_bytes_range(self.tokens_to_collect),
            "raw_yield": raw.share,
            "bytes_per_token": raw.bytes_per_token,
            "raw_yield_source": raw.source,
            "hardware": price.hardware.name if price else None,
            "mfu": price.mfu if price else None,
            "mfu_source": price.mfu_source if price else None,
            "device_hours": self.device_hours,
            "devices": self.devices,
            "elapsed_s": self.elapsed_s,
            "cost": self.cost,
            "hyperparameters": [vars(suggestion) for suggestion in self.suggestions],
            "alternatives": [_as_json(other) for other in self.alternatives],
            "warnings": self.warnings,
        }

    def render(self) -> str:
        """Return the answer for a person."""
        run = self.run
        lines = [
            *(f"note          {warning}" for warning in self.warnings),
            f"budget        {self.told} = {run.flops:.3e} FLOPs, {run.flops / PF_DAY_FLOPS:,.4g} PF-days",
            f"law           {self.law.name}: {self.law.source}",
            f"parameters    {_count(run.params)}",
            f"tokens        {_count(run.tokens)}{self._text()}",
            f"ratio         {run.tokens_per_param:.3g} tokens a parameter{_spread(self.ratios, '.3g')}",
        ]
        if self.loss is not None:
            lines.append(
                f"loss          {self.loss:.4g} nats a token{_spread(self.losses, '.4g')}, of the text and tokenizer of the law"
            )
        if self.is_chosen:
            best = self.best
            lines.append(f"best          {_count(best.params)} parameters on {_count(best.tokens)} tokens cost the same")
        return "\n".join([*lines, *self._collecting(), *self._spending(), *self._suggested(), *self._others()])

    def _text(self) -> str:
        if self.epochs is None:
            return ""
        return f", {self.epochs:.3g} epochs of {_count(self.question.available_tokens or 0.0)} at hand"

    def _collecting(self) -> list[str]:
        tokens = self.tokens_to_collect
        if tokens <= 0:
            return ["raw text      none: there is as much as the budget is best spent on"]
        bounds = self.raw.raw_bytes_range(tokens)
        spread = f" ({format_bytes(bounds[0])} to {format_bytes(bounds[1])})" if bounds else ""
        collect = format_bytes(self.raw.raw_bytes(tokens))
        share = f"{self.raw.share:.3g} of the bytes kept, {self.raw.bytes_per_token:.3g} a token: {self.raw.source}"
        return [f"raw text      collect {collect}{spread} for {_count(tokens)} tokens; {share}"]

    def _spending(self) -> list[str]:
        price, hours = self.price, self.device_hours
        if price is None or hours is None:
            return []
        lines = [f"device-hours  {hours:,.4g} of {price.hardware.title} at {price.mfu:.1%} MFU ({price.mfu_source})"]
        if self.elapsed_s is not None:
            lines.append(f"time          {self.elapsed_s / DAY_S:,.4g} days on {self.devices:,} devices")
        if self.cost is not None:
            lines.append(f"cost          {self.cost:,.0f} at {price.per_hour:g} a device-hour")
        return lines

    def _suggested(self) -> list[str]:
        lines = ["", "batch and learning rate by published laws (each for its own optimizer and schedule):"]
        for suggestion in self.suggestions:
            batch = f"{_count(suggestion.batch_tokens)} tokens" if suggestion.batch_tokens else "none"
            rate = f"{suggestion.learning_rate:.2e}" if suggestion.learning_rate else "none"
            lines.append(f"  {suggestion.law:<12}  batch {batch:<13}  learning rate {rate:<9}  {suggestion.source}")
        return lines

    def _others(self) -> list[str]:
        lines = ["", "otherwise:"]
        for other in self.alternatives:
            loss = "" if other.loss is None else f", loss {other.loss:.4g}"
            note = f"; {other.note}" if other.note else ""
            size = f"{_count(other.run.params)} parameters on {_count(other.run.tokens)} tokens"
            lines.append(f"  {other.what}: {size} ({other.run.tokens_per_param:.3g} a parameter){loss}{note}")
        return lines


def _spread(intervals: tuple[Interval, Interval], form: str) -> str:
    words = [
        f"{share} % {bounds[0]:{form}} to {bounds[1]:{form}}" for share, bounds in zip((80, 95), intervals, strict=True) if bounds
    ]
    return f" ({', '.join(words)})" if words else ""


def _as_json(other: Alternative) -> dict[str, Any]:
    return {
        "what": other.what,
        "params": other.run.params,
        "tokens": other.run.tokens,
        "tokens_per_param": other.run.tokens_per_param,
        "flops": other.run.flops,
        "loss": other.loss,
        "source": other.source,
        "note": other.note,
    }


def _count(value: float) -> str:
    """Write a number with the field's B for 10^9."""
    return format_count(value).replace("G", "B")
