"""The answer to `groundup plan choose`."""

from collections.abc import Sequence
from pathlib import Path

from groundup import orders
from groundup.choosing.measure import VOCABULARY, describe_text, measure_candidates, own_tokenizer
from groundup.choosing.sample import read_sample
from groundup.core.errors import ConfigError
from groundup.estimate.spending import HOUR_S
from groundup.plan.candidates import Choice, Purse, purse
from groundup.plan.candidates_rules import choose
from groundup.plan.hardware import named_hardware
from groundup.plan.utilisation import usual_mfu

PF_DAY_FLOPS = 1e15 * 24 * HOUR_S
MIN_VOCABULARY = 300
"""The 256 bytes, the end of documents and some merges."""


def choose_model(
    text: Path,
    candidates: Sequence[Path] = (),
    tokenizers: Sequence[Path] = (),
    budget: Purse | None = None,
    vocab_size: int = VOCABULARY,
    device: str = "auto",
) -> Choice:
    """Measure tokenizers and candidates on a held-out share of the text, and answer with the reasons."""
    if vocab_size < MIN_VOCABULARY:
        raise ConfigError(f"--vocab-size {vocab_size}: at least {MIN_VOCABULARY}, as 256 tokens are single bytes")
    for name, paths in (("--candidate", candidates), ("--tokenizer", tokenizers)):
        twice = {str(path) for path in paths if list(paths).count(path) > 1}
        if twice:
            raise ConfigError(f"{name} {', '.join(sorted(twice))}: said twice")
    sample = read_sample(text)
    named = {orders.short_name(path, [*tokenizers, *candidates]): orders.open_tokenizer(path) for path in tokenizers}
    own = own_tokenizer(sample, vocab_size)
    facts, measured = measure_candidates(sample, own, candidates, named, device)
    return choose(describe_text(sample, own, facts[0]), facts, measured, budget or Purse())


def read_budget(
    flops: float | None = None,
    pf_days: float | None = None,
    device_hours: float | None = None,
    money: float | None = None,
    price_per_hour: float | None = None,
    hardware: str | None = None,
    mfu: float | None = None,
) -> Purse:
    """Return what may be spent; device-hours and money by the hardware's peak times `mfu`, a share of 1, or the usual one.

    Raises ConfigError for what is said twice, cannot be, or has no effect.
    """
    if flops is not None and pf_days is not None:
        raise ConfigError("--flops and --pf-days both say what may be spent; keep one")
    if mfu is not None and hardware is None:
        raise ConfigError("--mfu: no effect without --hardware")
    if mfu is not None and not 0 < mfu <= 1:
        raise ConfigError(f"--mfu {mfu:g}: a share of the peak, above 0 and at most 1 (40 % is 0.4)")
    per_hour = None
    if hardware is not None:
        device = named_hardware(hardware)
        precision = device.training_precision
        per_hour = device.peak(precision) * (usual_mfu(device, precision)[0] if mfu is None else mfu) * HOUR_S
    return purse(flops if pf_days is None else pf_days * PF_DAY_FLOPS, device_hours, money, price_per_hour, per_hour)
