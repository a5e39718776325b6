"""The parts of all sources: what the other passes go through, one after another."""

import json
from dataclasses import dataclass

from groundup.core.engines import Engine
from groundup.core.files import write_json
from groundup.core.progress import progress
from groundup.curate.passes.work import PartTask, Work
from groundup.curate.sources.parts import Part

_PARTS = "parts.json"


@dataclass(frozen=True)
class DivideTask:
    """A file that is too large for one part."""

    work: Work
    position: int
    file: str


def divide(task: DivideTask) -> None:
    """Find out where the parts of a large file begin, and unpack it if it is compressed."""
    source = task.work.open_source(task.position)
    source.divide(source.find(task.file), task.work.scratch / "divided")


def part_tasks(work: Work, engine: Engine) -> list[PartTask]:
    """Return a task for each part of each source, in the order of the recipe."""
    file = work.scratch / _PARTS
    if not file.exists():
        write_json(file, {"parts": [[position, part.to_json()] for position, part in _cut(work, engine)]})
    found = json.loads(file.read_bytes())["parts"]
    return [PartTask(work, number, position, Part.from_json(part)) for number, (position, part) in enumerate(found)]


def _cut(work: Work, engine: Engine) -> list[tuple[int, Part]]:
    sources = [work.open_source(position) for position in range(len(work.config.sources))]
    large = [
        DivideTask(work, position, file.name)
        for position, source in enumerate(sources)
        for file in source.files()
        if source.is_divided(file)
    ]
    with progress("dividing large files", max(len(large), 1)) as bar:
        for _ in engine.run(divide, large):
            bar.advance()
    return [(position, part) for position, source in enumerate(sources) for part in source.parts(work.scratch / "divided")]
