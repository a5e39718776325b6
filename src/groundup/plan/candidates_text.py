"""A choice as a person reads it."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from groundup.core.units import format_bytes, format_count
from groundup.plan.candidates import Choice, Option, Reason

_ANSWERS = {"use": "USE", "adapt": "ADAPT", "own": "TRAIN YOUR OWN", "cannot_tell": "CANNOT TELL"}


def render(choice: Choice) -> Group:
    """Return the answer, the questions that lead to it, the tables of tokenizers and ways, and what is missing."""
    text = choice.text
    parts: list[RenderableType] = [
        Text(f"{_ANSWERS[choice.recommendation]}: {choice.summary}", style="bold"),
        Text(
            f"\n{format_bytes(text.bytes)} of text, {format_count(text.tokens)} tokens of a tokenizer trained on it "
            f"({text.vocab_size:,} tokens); {format_bytes(text.held_out_bytes)} held out"
        ),
    ]
    parts += [_reason(number + 1, reason) for number, reason in enumerate(choice.reasons)]
    parts += [Text(), _tokenizers(choice), Text(), _options(choice)]
    parts += [Text(f"missing: {line}", style="dim") for line in choice.missing]
    return Group(*parts)


def _reason(number: int, reason: Reason) -> Text:
    text = Text(f"\n{number}. {reason.question} ", style="bold").append(f"{reason.finding}.", style="not bold")
    if reason.speaks_for:
        text.append(f" Speaks for: {', '.join(reason.speaks_for)}.", style="not bold green")
    if reason.threshold is not None:
        threshold = reason.threshold
        text.append(f"\n   {threshold.name} = {threshold.value:g}: {threshold.source}", style="dim not bold")
    return text


def _tokenizers(choice: Choice) -> Table:
    table = _table("tokenizer", "*tokens", "*tokens/word", "*bytes/token", "*unknown", "*of own")
    for row in choice.tokenizers:
        table.add_row(
            row.name,
            f"{row.vocab_size:,}",
            f"{row.fertility:.3f}",
            f"{row.bytes_per_token:.3f}",
            f"{row.unknown_rate:.2%}",
            f"{row.ratio:.2f}x",
        )
    return table


def _options(choice: Choice) -> Table:
    table = _table("way", "model", "*params", "*tokens", "*FLOPs", "*hours", "*bits/byte")
    measured = {candidate.name: candidate for candidate in choice.candidates}
    for option in choice.options:
        table.add_row(option.way, option.model or "", *_numbers(option), _bits(option))
    shown = {option.model for option in choice.options}
    for name, candidate in measured.items():
        if name not in shown:
            bits = "" if candidate.bits_per_byte is None else f"{candidate.bits_per_byte:.3f}"
            table.add_row("(use)", name, format_count(float(candidate.params)), "", "", "", bits)
    return table


def _numbers(option: Option) -> list[str]:
    flops = "" if option.flops is None else f"{option.flops:.2g}"
    hours = "" if option.device_hours is None else f"{option.device_hours:.3g}"
    return [*("" if value is None else format_count(float(value)) for value in (option.params, option.tokens)), flops, hours]


def _bits(option: Option) -> str:
    if option.bits_per_byte is None:
        return "?"
    if option.interval is None:
        return f"{option.bits_per_byte:.3f}"
    return f"{option.interval[0]:.2f} to {option.interval[1]:.2f}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name.removeprefix("*"), justify="right" if name.startswith("*") else "left", overflow="fold")
    return table
