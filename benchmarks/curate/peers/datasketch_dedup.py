"""Near-duplicates taken out by datasketch, in one process: python datasketch_dedup.py CORPUS OUT."""

import gzip
import json
import re
import sys
from pathlib import Path

from datasketch import MinHash, MinHashLSH

WORD = re.compile(r"\w+")
BANDS, ROWS, WIDTH = 14, 8, 5


def shingles(text: str) -> list[bytes]:
    """Return the runs of five words."""
    words = WORD.findall(text.lower())
    return [" ".join(words[at : at + WIDTH]).encode() for at in range(max(len(words) - WIDTH + 1, 1))]


def main() -> None:
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True)
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    with (out / "kept.txt").open("w") as kept, (out / "documents.jsonl").open("w") as documents:
        for file in sorted(corpus.iterdir()):
            with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
                for line in lines:
                    row = json.loads(line)
                    signature = MinHash(num_perm=BANDS * ROWS)
                    signature.update_batch(shingles(row["text"]))
                    if not index.query(signature):
                        kept.write(row["id"] + "\n")
                        documents.write(line)
                    index.insert(row["id"], signature, check_duplication=False)


if __name__ == "__main__":
    main()
