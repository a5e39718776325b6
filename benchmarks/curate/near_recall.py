"""Near-duplicates found by similarity: planted pairs, groundup's bands and verification beside datasketch.

near_recall.py TEXT_FOLDER... [--pairs N] [--seed S] [--datasketch PYTHON] [--picture FILE.png]

Documents of 1.5 kB are cut from the texts, and each is edited (words replaced, inserted or deleted, scattered or in a row)
to a similarity between 0.5 and 0.95, which is then measured exactly. PYTHON is the interpreter of an environment with datasketch.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from near import near_duplicate
from prose import Prose
from shingles import jaccard as exact_jaccard
from shingles import shingles as exact_shingles

from groundup.curate.dedup.arrays import Columns, open_array, write_array
from groundup.curate.dedup.candidates import write_candidates
from groundup.curate.dedup.minhash import NUM_BANDS, NUM_ROWS, band_keys, collision_probability
from groundup.curate.dedup.runs import unpack
from groundup.curate.dedup.shingles import as_sets, word_runs
from groundup.curate.dedup.verify import jaccard
from groundup.curate.dedup.words import read_words

THRESHOLD = 0.7
BATCH = 256
CURVES = {(NUM_BANDS, NUM_ROWS): "C0-", (14, 8): "C1--", (9, 13): "C2--", (450, 20): "C3--"}
"""With those of FineWeb, RedPajama-v2 (for 0.8) and RefinedWeb."""
LEAST_SHOWN = 30
PEER = Path(__file__).with_name("near_datasketch.py")
Pairs = set[tuple[int, int]]


def planted(folders: list[Path], pairs: int, seed: int) -> tuple[list[str], dict[tuple[int, int], float]]:
    """Return documents and the exact similarity of each with its edited copy, which stands after it."""
    rng = np.random.default_rng(seed)
    prose = Prose(folders, seed, pairs * 2_000)
    texts: list[str] = []
    similarities = {}
    for _ in range(pairs):
        text, _ = prose.document()
        edited, similarity, _ = near_duplicate(text, rng.uniform(0.5, 0.97), rng, prose)
        similarities[len(texts), len(texts) + 1] = similarity
        texts += [text, edited]
    return texts, similarities


def groundup_pairs(texts: list[str], folder: Path) -> tuple[Pairs, dict[tuple[int, int], float], dict[str, float]]:
    """Return candidates, similarities of those above the threshold, and CPU microseconds a document of each step."""
    start = time.process_time()
    words = [read_words(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    seconds = {"words": time.process_time() - start}
    start = time.process_time()
    runs = [word_runs(each) for each in words]
    seconds["shingles"] = time.process_time() - start
    start = time.process_time()
    bands = np.concatenate([band_keys(each) for each in runs], axis=1)
    seconds["bands"] = time.process_time() - start
    start = time.process_time()
    write_array(folder / "bands.npy", bands)
    write_candidates(Columns([folder / "bands.npy"]), folder / "pairs.npy", 256 << 20)
    first, second = (column.astype(np.int64) for column in unpack(open_array(folder / "pairs.npy")))
    seconds["match"] = time.process_time() - start
    sets = as_sets(word_runs(read_words(texts)))
    start = time.process_time()
    found = jaccard(first, second, sets)
    seconds["verify"] = time.process_time() - start
    candidates = list(zip(first.tolist(), second.tolist(), strict=True))
    near = {pair: similarity for pair, similarity in zip(candidates, found.tolist(), strict=True) if similarity >= THRESHOLD}
    return set(candidates), near, {name: 1e6 * value / len(texts) for name, value in seconds.items()}


def datasketch_pairs(python: str, texts: list[str], folder: Path) -> tuple[Pairs, float]:
    """Return the candidates of datasketch with the same shingles, bands and rows, and CPU microseconds a document."""
    (folder / "texts.json").write_text(json.dumps(texts))
    arguments = [str(folder / "texts.json"), str(NUM_BANDS), str(NUM_ROWS)]
    done = subprocess.run([python, str(PEER), *arguments], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {(a, b) for a, b in found["pairs"]}, 1e6 * found["cpu_s"] / len(texts)


def table(similarities: dict[tuple[int, int], float], found: dict[str, Pairs]) -> str:
    """Return recall by band of similarity."""
    bands = defaultdict(list)
    for pair, similarity in similarities.items():
        bands[int(similarity * 20) / 20].append(pair)
    lines = [" | ".join(["| Jaccard", "pairs", "expected", *found]) + " |"]
    for low in sorted(bands):
        pairs = bands[low]
        expected = np.mean([collision_probability(similarities[pair]) for pair in pairs])
        cells = [f"{sum(pair in each for pair in pairs) / len(pairs):.4f}" for each in found.values()]
        lines.append(" | ".join([f"| {low:.2f}-{low + 0.05:.2f}", f"{len(pairs):,}", f"{expected:.4f}", *cells]) + " |")
    return "\n".join(lines)


def draw(path: Path, similarities: dict[tuple[int, int], float], candidates: Pairs) -> None:
    """Draw the probability of meeting for some choices of bands, and the shares that were found."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    grid = np.linspace(0.2, 1, 161)
    for (bands, rows), style in CURVES.items():
        label = f"{bands} bands of {rows}"
        axes.plot(grid, [collision_probability(float(at), bands, rows) for at in grid], style, label=label, linewidth=1.6)
    places = np.round(np.array(list(similarities.values())) * 40).astype(int)
    met = np.array([pair in candidates for pair in similarities])
    shown = [place for place in np.unique(places) if (places == place).sum() >= LEAST_SHOWN]
    shares = [met[places == place].mean() for place in shown]
    axes.plot(np.array(shown) / 40, shares, "o", color="C0", markersize=5, label="measured")
    axes.axvline(THRESHOLD, color="0.6", linewidth=1, linestyle=":")
    axes.set(xlabel="Jaccard similarity", ylabel="pairs that become candidates", xlim=(0.2, 1), ylim=(0, 1.02))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def main() -> None:
    """Print recall by band, what verification leaves, and the cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--pairs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--datasketch", metavar="PYTHON")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    texts, similarities = planted(asked.texts, asked.pairs, asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        candidates, near, cost = groundup_pairs(texts, Path(folder))
        found: dict[str, Pairs] = {"groundup": candidates}
        if asked.datasketch:
            found["datasketch"], peer_cost = datasketch_pairs(asked.datasketch, texts, Path(folder))
    print(table(similarities, found))
    print(f"{len(texts):,} documents of {np.mean([len(text) for text in texts]):.0f} characters; {len(candidates):,} candidates")
    truth = [exact_jaccard(exact_shingles(texts[a]), exact_shingles(texts[b])) for a, b in near]
    wrong = sum(abs(one - other) > 1e-12 for one, other in zip(truth, near.values(), strict=True))
    print(f"verified {len(near):,} pairs: least similarity {min(truth):.3f}, {wrong} differ from the sets of words; ", end="")
    print(f"{len(candidates) - len(near):,} candidates below {THRESHOLD}")
    print("CPU us a document:", ", ".join(f"{name} {value:.1f}" for name, value in cost.items()), f"= {sum(cost.values()):.1f}")
    if asked.picture:
        draw(asked.picture, similarities, candidates)
    if asked.datasketch:
        print(f"datasketch: {peer_cost:.0f}")


if __name__ == "__main__":
    main()
