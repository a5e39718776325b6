"""Pages fetched, a curation as jobs of a cluster, and why a document was kept, as functions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup import orders
from groundup.artifacts.build import Order, begin
from groundup.core.engines.base import Workers
from groundup.core.files import write_bytes
from groundup.core.lazy import lazy
from groundup.curate.fetch.config import FetchConfig

if TYPE_CHECKING:
    from groundup.curate import explain as explanations
    from groundup.curate.explain import Explanation
    from groundup.curate.fetch import run as fetching
else:
    explanations, fetching = lazy("groundup.curate.explain"), lazy("groundup.curate.fetch.run")
slurm = lazy("groundup.curate.slurm")


def fetch(inputs: Sequence[str], out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Fetch pages politely into archives that `curate` reads; return the counts by outcome."""
    return fetching.fetch(inputs, FetchConfig.parse(settings, "fetch"), out)


def preview_fetch(inputs: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Return what `fetch` would ask for, and the time that its politeness takes at least; nothing is asked."""
    return fetching.plan(inputs, FetchConfig.parse(settings, "fetch"))


def write_sbatch(order: Order, script: Path, force: bool = False) -> int:
    """Prepare a curation and write a script that carries it out as Slurm arrays; return in how many parts."""
    parts: int = slurm.prepare(order.config, begin(order, force))
    write_bytes(script, slurm.script(order.config, order.out, parts).encode())
    return parts


def run_split(out: Path, pass_name: str, index: int = 0, of: int = 1) -> int:
    """Do one share of a pass ("read", "decide", ..., "finish") of a curation that `write_sbatch` prepared; return its parts."""
    if pass_name == slurm.FINISH:
        work = slurm.prepared(out)
        orders.carry_out(orders.order_curate(work.config, out, work.seed, Workers(number=1)), force=False)
        return 0
    done: int = slurm.run_split(out, pass_name, index, of)
    return done


def explain(documents: Path, document_id: str) -> "Explanation":
    """Say why a document was kept or dropped, rule by rule."""
    return explanations.explain(documents, document_id)
