"""What a device's memory holds beside tensors: the allocator's gaps, the driver's context, communicators."""

import statistics
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from groundup.estimate.device_memory.terms import Term
from groundup.train.parallel.config import Layout

MARGINS = Path(__file__).with_name("margins.yaml")


@lru_cache(maxsize=1)
def measured() -> dict[str, Any]:
    """Return the table of measured margins."""
    return dict(yaml.safe_load(MARGINS.read_text(encoding="utf-8")))


@lru_cache(maxsize=16)
def allocator_share(without: str | None = None) -> float:
    """Return what the allocator holds beside live tensors, over these: the median over families, one of them left out."""
    families: dict[str, list[float]] = {}
    for row in measured()["allocator"]:
        if row["family"] != without:
            families.setdefault(row["family"], []).append(row["reserved"] / row["active"] - 1)
    return statistics.median(statistics.median(shares) for shares in families.values())


def margin_terms(layout: Layout, live: int, without: str | None = None) -> list[Term]:
    """Return the margin of a CUDA device whose tensors take `live` bytes."""
    share = allocator_share(without)
    groups = sum(ranks > 1 for ranks in (layout.dp, layout.tp, layout.pp, layout.cp))
    context, communicator = measured()["context"][0], measured()["communicator"][0]
    terms = [
        Term(
            "margin",
            round(share * live),
            "gaps that the allocator leaves",
            f"{share:.1%} of {live:,} B, the median of measured families",
            "margins.yaml",
        ),
        Term("margin", context["bytes"], "context of the driver", f"{context['bytes']:,} B", context["source"]),
    ]
    if groups:
        each = communicator["bytes"]
        formula = f"{groups} groups of ranks x {each:,} B"
        terms.append(Term("margin", groups * each, "communicators", formula, communicator["source"]))
    return terms
