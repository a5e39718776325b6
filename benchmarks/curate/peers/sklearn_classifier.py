"""A linear classifier of scikit-learn on hashed words and word pairs: python sklearn_classifier.py FOLDER."""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy.sparse import vstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

PENALTY = 1e-5
REPEATS = 3


def texts(file: Path) -> list[str]:
    return [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    folder = Path(sys.argv[1])
    good, bad = texts(folder / "good.jsonl"), texts(folder / "bad.jsonl")
    start_s = time.process_time()
    vectors = HashingVectorizer(ngram_range=(1, 2), n_features=1 << 18, binary=True, alternate_sign=False)
    model = LogisticRegression(C=1 / (PENALTY * (len(good) + len(bad))), class_weight="balanced", max_iter=300)
    model.fit(vstack([vectors.transform(good), vectors.transform(bad)]), np.repeat([1, 0], [len(good), len(bad)]))
    cpu_s = time.process_time() - start_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    good_held, bad_held = texts(folder / "good_held.jsonl"), texts(folder / "bad_held.jsonl")
    spans = []
    for _ in range(REPEATS):
        start_s = time.process_time()
        scores = [model.predict_proba(vectors.transform(held))[:, 1] for held in (good_held, bad_held)]
        spans.append(time.process_time() - start_s)
    ms = min(spans) / (len(good_held) + len(bad_held)) * 1e3
    found = {"good": scores[0].tolist(), "bad": scores[1].tolist(), "threshold": float(np.quantile(scores[0], 0.05))}
    print(json.dumps({**found, "cpu_s": cpu_s, "peak_mb": peak_mb, "ms_a_document": ms}))


if __name__ == "__main__":
    main()
