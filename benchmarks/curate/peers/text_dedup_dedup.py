"""Near-duplicates taken out by text-dedup's MinHash: python text_dedup_dedup.py CORPUS OUT WORKERS."""

import os
import subprocess
import sys
from pathlib import Path

from datasets import load_from_disk

BANDS, ROWS = 14, 8


def main() -> None:
    corpus, out, workers = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    out.mkdir(parents=True)
    place = ["--path", "json", "--data_files", f"{corpus}/*", "--split", "train", "--cache_dir", str(out / "cache")]
    hashing = ["--num_perm", str(BANDS * ROWS), "--b", str(BANDS), "--r", str(ROWS), "--ngram", "5", "--hash_func", "xxh3"]
    result = ["--column", "text", "--output", str(out / "documents"), "--num_proc", workers]
    command = [sys.executable, "-m", "text_dedup.minhash", *place, *hashing, *result]
    subprocess.run(command, check=True, env={**os.environ, "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(out / "home")})
    (out / "kept.txt").write_text("\n".join(load_from_disk(str(out / "documents"))["id"]))


if __name__ == "__main__":
    main()
