"""Numbers as people read and write them."""

import math
import re

_SI = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_count(value: float, unit: str = "") -> str:
    """Return `value` with an SI prefix and three significant digits: 1234567 -> '1.23M'."""
    for size, prefix in _SI:
        if abs(value) >= size:
            return f"{value / size:.3g}{prefix}{unit}" if abs(value) / size < 999.5 else f"{value / size:.0f}{prefix}{unit}"
    return f"{value:.3g}{unit}" if isinstance(value, float) else f"{value}{unit}"


def format_bytes(value: float) -> str:
    """Return bytes in decimal units: 1500000 -> '1.5 MB'."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}" if abs(value) / size < 999.5 else f"{value / size:.0f} {unit}"
    return f"{value:.0f} B"


def parse_bytes(text: str) -> int:
    """Return the bytes of a size in words: '2GB' -> 2000000000, '1.5 GiB' -> 1610612736, '300000' -> 300000.

    Raises ValueError if it is none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b)?\s*", text, re.IGNORECASE)
    if found is None:
        raise ValueError(f"'{text}' is no size; write bytes as a number, or like 2GB or 1.5GiB")
    number, prefix, binary = found.groups()
    power = " kmgt".index(prefix.lower()) if prefix else 0
    base = 1024.0 if binary else 1000.0
    return round(float(number) * base**power)


def format_seconds(value: float) -> str:
    """Return a time span: 75 -> '1m 15s', 0.25 -> '250 ms'."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.3g} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {seconds:02d}s"


def parse_count(text: str) -> float:
    """Return a number in words: '300B' and '300e9' -> 3e11, '1.4T' -> 1.4e12, '125M' -> 1.25e8; k, M, B or G, T, P, E.

    Raises ValueError if it is none, or not finite.
    """
    found = re.fullmatch(r"([+-]?[0-9][0-9_,.]*(?:e[+-]?\d+)?)\s*([kmbgtpe]?)", text.strip(), re.IGNORECASE)
    powers = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18}
    try:
        number = float(found.group(1).replace(",", "").replace("_", "")) * powers[found.group(2).lower()] if found else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"'{text}' is no number; write one like 300e9, 300B or 1.4T")
    return number
