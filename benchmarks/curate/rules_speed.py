"""CPU time of the quality rules on prose, beside the time that Python needs to split the same texts into words.

    python benchmarks/curate/rules_speed.py PATH... [--batch 256] [--json FILE]

Documents of about 1.5 kB are cut from the .txt and .md files and the `text` or `answer` of .jsonl files in the folders. Printed
for each rule set, and for several in a row: CPU milliseconds a document, the same over the time of `text.split()`, and the share
of documents kept. Sets of a row are asked in its order; a document that breaks one is not asked the next.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from groundup.curate.rules.histogram import Histograms
from groundup.curate.rules.judge import Judge
from groundup.curate.rules.published import RULE_SETS

DOCUMENT_CHARS = 1500
MIN_CHARS = 600
ROWS = (
    *((name,) for name in RULE_SETS),
    ("gopher-2021", "gopher-2021-repetition"),
    ("gopher-2021", "gopher-2021-repetition", "c4-jmlr", "fineweb-paper"),
    tuple(RULE_SETS),
)
REPEATS = 3


def documents(paths: list[Path]) -> list[str]:
    """Return documents cut at blank lines, in one shuffled order."""
    found = [
        document
        for path in paths
        for file in sorted(path.rglob("*") if path.is_dir() else [path])
        if file.suffix in (".txt", ".md", ".jsonl")
        for text in texts_of(file)
        for document in cut(text)
    ]
    random.Random(0).shuffle(found)
    return found


def texts_of(file: Path) -> Iterator[str]:
    """Yield the texts of a file."""
    content = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix != ".jsonl":
        yield content
        return
    for line in content.splitlines():
        record = json.loads(line)
        yield record.get("text") or record.get("answer") or ""


def cut(text: str) -> Iterator[str]:
    """Yield pieces of paragraphs, each as long as a document if the paragraphs allow it."""
    waiting: list[str] = []
    size = 0
    for paragraph in text.split("\n\n"):
        if size and size + len(paragraph) > DOCUMENT_CHARS:
            if size >= MIN_CHARS:
                yield "\n\n".join(waiting)
            waiting, size = [], 0
        waiting.append(paragraph)
        size += len(paragraph) + 2
    if size >= MIN_CHARS:
        yield "\n\n".join(waiting)


def cpu_ms(work: Callable[[], object], num_documents: int) -> float:
    """Return the least CPU milliseconds a document of some repeats."""
    spans = []
    for _ in range(REPEATS):
        start_s = time.process_time()
        work()
        spans.append(time.process_time() - start_s)
    return min(spans) / num_documents * 1e3


def measure(texts: list[str], names: tuple[str, ...], batch: int, splitting_ms: float) -> dict[str, object]:
    """Return the figures of one row of sets."""
    judge = Judge([RULE_SETS[name] for name in names])

    def run(histograms: Histograms | None = None) -> int:
        parts = (texts[start : start + batch] for start in range(0, len(texts), batch))
        return sum(verdict.broken is None for part in parts for verdict in judge.judge(part, histograms))

    kept = run()
    found = cpu_ms(run, len(texts))
    return {
        "sets": names,
        "ms": found,
        "over_splitting": found / splitting_ms,
        "ms_with_histograms": cpu_ms(lambda: run(Histograms()), len(texts)),
        "kept": kept / len(texts),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    texts = documents(options.paths)
    num_chars = sum(map(len, texts))
    splitting_ms = cpu_ms(lambda: [len(text.split()) for text in texts], len(texts))
    print(f"{len(texts):,} documents of {num_chars / len(texts):,.0f} characters; text.split(): {splitting_ms:.4f} ms a document")
    rows = [measure(texts, names, options.batch, splitting_ms) for names in ROWS]
    print("ms a document  over split  with histograms  kept   sets")
    for row in rows:
        figures = f"{row['ms']:13.4f} {row['over_splitting']:11.1f} {row['ms_with_histograms']:16.4f} {row['kept']:5.1%}"
        print(f"{figures}   {', '.join(map(str, row['sets']))}")  # type: ignore[call-overload]
    if options.json:
        options.json.write_text(json.dumps({"documents": len(texts), "splitting_ms": splitting_ms, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
