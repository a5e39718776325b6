"""Candidate pairs by datasketch, in an environment of its own: near_datasketch.py TEXTS.json BANDS ROWS > pairs and seconds."""

import json
import sys
import time
from pathlib import Path

from datasketch import MinHash, MinHashLSH  # type: ignore[import-not-found]


def main() -> None:
    """Print the pairs that share a band."""
    bands, rows = int(sys.argv[2]), int(sys.argv[3])
    texts = json.loads(Path(sys.argv[1]).read_text())
    start = time.process_time()
    sets = []
    for text in texts:
        words = text.casefold().split()
        sets.append({" ".join(words[at : at + 5]).encode() for at in range(max(1, len(words) - 4))})
    signatures = MinHash.bulk(sets, num_perm=bands * rows, seed=1)
    index = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
    pairs = []
    for number, signature in enumerate(signatures):
        pairs += [(other, number) for other in index.query(signature)]
        index.insert(number, signature)
    json.dump({"pairs": sorted(pairs), "cpu_s": time.process_time() - start}, sys.stdout)


if __name__ == "__main__":
    main()
