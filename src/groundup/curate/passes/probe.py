"""Sources without text, found before the others are worked on."""

from collections.abc import Sequence
from dataclasses import dataclass

from groundup.core.engines import Engine
from groundup.core.errors import DataError
from groundup.core.log import say
from groundup.curate.drops import Drop
from groundup.curate.passes.work import PartTask

PROBE_RECORDS = 10_000
"""Records of a source that are looked at, at most."""
_PROBE_PARTS = 64
"""Parts that they may lie in: a source of very many is not sent to a worker whole."""


@dataclass(frozen=True)
class Probed:
    """What the first records of a source are."""

    records: int
    has_text: bool
    at_end: bool
    """All records of the parts were looked at."""
    first_problem: str


def no_text(source: str, problem: str) -> str:
    """Return in words that a source holds no text."""
    return f"source '{source}' has no usable text: {problem or 'its files hold no documents'}"


def probe(tasks: Sequence[PartTask]) -> Probed:
    """Read the parts of a source, in order, up to its first text."""
    records, problem = 0, ""
    for task in tasks:
        source = task.work.open_source(task.position)
        for found in source.read_part(task.part, task.work.scratch / "divided"):
            if not isinstance(found, Drop) and found.text.strip():
                return Probed(records + 1, has_text=True, at_end=False, first_problem=problem)
            problem = problem or (
                f"{found.rule}: {found.excerpt}" if isinstance(found, Drop) else f"empty: {found.meta}: no text in it"
            )
            records += 1
            if records >= PROBE_RECORDS:
                return Probed(records, has_text=False, at_end=False, first_problem=problem)
    return Probed(records, has_text=False, at_end=True, first_problem=problem)


def probe_sources(tasks: Sequence[PartTask], engine: Engine) -> None:
    """Raise DataError for the first source that holds no text; say of one that begins with very many records that are none.

    Sources of which a part was read before are not looked at again.
    """
    by_source: dict[str, list[PartTask]] = {}
    for task in tasks:
        by_source.setdefault(task.part.source, []).append(task)
    wanted = [own for own in by_source.values() if not any(task.read.folder.exists() for task in own)]
    found: dict[int, Probed] = dict(engine.run(probe, [own[:_PROBE_PARTS] for own in wanted]))
    for number, own in enumerate(wanted):
        source, seen = own[0].part.source, found[number]
        if seen.at_end and len(own) <= _PROBE_PARTS:
            raise DataError(no_text(source, seen.first_problem))
        if not seen.has_text:
            say(
                f"curate: the first {seen.records:,} records of source '{source}' hold no text: {seen.first_problem}",
                style="yellow",
            )
