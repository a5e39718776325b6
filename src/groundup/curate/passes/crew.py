"""Who carries a curation out."""

import dataclasses

from groundup.core.engines import Workers
from groundup.curate.passes.work import Work

IN_PROCESS_BYTES = 2 << 20
"""Text up to this size is curated by the process itself, if no number of workers is asked for: starting others takes longer."""


def crew(work: Work, workers: Workers) -> Workers:
    """Return the workers that the text is worth; those that were asked for by number, or are a cluster's, stay as they are."""
    if workers.engine != "local" or workers.number is not None or any(source.kind == "hf" for source in work.config.sources):
        return workers
    num_bytes = 0
    for source in map(work.open_source, range(len(work.config.sources))):
        for file in source.files():
            num_bytes += source.text_bytes(file)
            if num_bytes > IN_PROCESS_BYTES:
                return workers
    return dataclasses.replace(workers, number=1)
