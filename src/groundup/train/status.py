"""One line about a step, for who watches the run."""

from collections.abc import Iterable
from typing import Any

from groundup.core.units import format_bytes, format_count


def status_line(row: dict[str, Any], told: Iterable[str | None] = ()) -> str:
    """Return a row of metrics in words, the loss and what hooks `told` first: a narrow terminal cuts the end."""
    grad_norm, update_ratio = row["grad_norm"], row["update_ratio"]
    parts = (
        f"loss {row['loss']:.3f}",
        *told,
        format_count(float(row["tokens_per_s"]), " tok/s"),
        f"MFU {row['mfu']:.0%}",
        "gradient overflows" if grad_norm is None else f"gradient {grad_norm:.2g}",
        None if update_ratio is None else f"update {update_ratio:.1e}",
        f"data wait {row['data_wait_s'] / row['step_s']:.1%}",
        format_bytes(row["peak_memory_bytes"]),
    )
    return "  ".join(part for part in parts if part)
