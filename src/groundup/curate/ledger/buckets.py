"""How documents were divided by perplexity."""

from typing import Any

from groundup.curate.config import CurateConfig
from groundup.curate.ledger.tallies import summed
from groundup.curate.passes.finish import Totals
from groundup.curate.perplexity.buckets import NO_MODEL, all_cuts
from groundup.curate.perplexity.config import BUCKETS

_NONE = {"documents": 0, "bytes": 0}


def bucket_facts(config: CurateConfig, found: Totals) -> list[dict[str, Any]]:
    """Return for each language with a model its cuts, and what lay in each bucket, of all and of each source; nothing if it is off.

    Documents in other languages have no bucket and come last, as language `none`.
    """
    if not config.perplexity.is_on:
        return []
    cuts = all_cuts(config.perplexity)
    tallies = {source: counts.get("buckets", {}) for source, counts in found.by_source.items()}
    total = summed(list(tallies.values()))
    return [
        {
            "language": language,
            "model": cuts[language].name if language in cuts else None,
            "head_below": cuts[language].low if language in cuts else None,
            "tail_from": cuts[language].high if language in cuts else None,
            "keep": list(config.perplexity.keep) if language in cuts else [NO_MODEL],
            "buckets": {name: total.get(language, {}).get(name, _NONE) for name in (BUCKETS if language in cuts else (NO_MODEL,))},
            "by_source": {
                source: {name: one.get("documents", 0) for name, one in tally[language].items()}
                for source, tally in tallies.items()
                if language in tally
            },
        }
        for language in (*cuts, *([NO_MODEL] if NO_MODEL in total else []))
    ]
