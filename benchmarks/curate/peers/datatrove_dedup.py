"""Filters, MinHash and redaction by datatrove: python datatrove_dedup.py CORPUS OUT WORKERS RULES.

The thresholds are those of the papers, where datatrove's own differ from them (C4: 3 sentences, 5 words a line; FineWeb: 0.1 of the
characters in duplicated lines). As many tasks as files, which is what one of its tasks can hold.
"""

import sys
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig

FILTERS = {
    "gopher-2021": GopherQualityFilter,
    "gopher-2021-repetition": GopherRepetitionFilter,
    "c4-jmlr": lambda: C4QualityFilter(min_num_sentences=3, min_words_per_line=5),
    "fineweb-paper": lambda: FineWebQualityFilter(char_duplicates_ratio=0.1),
}
CONFIG = MinhashConfig(hash_config=HashConfig(hash_fc="xxhash", precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)


def main() -> None:
    corpus, out, workers, rules = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")
    tasks = len(list(corpus.iterdir()))

    def step(name: str, pipeline: list, num_tasks: int) -> None:
        LocalPipelineExecutor(
            pipeline, tasks=num_tasks, workers=min(workers, num_tasks), logging_dir=str(out / "logs" / name)
        ).run()

    kept = str(out / "filtered")
    filters = [FILTERS[rule]() for rule in rules if rule in FILTERS]
    step("filter", [JsonlReader(str(corpus), text_key="text", id_key="id"), *filters, JsonlWriter(kept)], tasks)
    step("sign", [JsonlReader(kept), MinhashDedupSignature(str(out / "signatures"), config=CONFIG)], tasks)
    step("bands", [MinhashDedupBuckets(str(out / "signatures"), str(out / "bands"), config=CONFIG)], CONFIG.num_buckets)
    step("cluster", [MinhashDedupCluster(str(out / "bands"), str(out / "remove"), config=CONFIG)], 1)
    last = [JsonlReader(kept), MinhashDedupFilter(str(out / "remove")), PIIFormatter(), JsonlWriter(str(out / "documents"))]
    step("write", last, tasks)
    ids = [document.id for document in JsonlReader(str(out / "documents"))()]
    (out / "kept.txt").write_text("\n".join(ids))


if __name__ == "__main__":
    main()
