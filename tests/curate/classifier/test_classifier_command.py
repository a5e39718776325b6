"""The command as users type it: figures and the way on for people, one object for programs, errors that say the way out."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

KINDS = {"good": ("kidney", "dose", "tablet"), "bad": ("sword", "horse", "king")}
CALLS = """
import contextlib, io, json, sys
from groundup.cli import main
found = []
for words in json.loads(sys.argv[1]):
    sys.argv, code = ["groundup", *words], 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    found.append([code, *(" ".join(said.getvalue().split()) for said in (out, err))])
print(json.dumps(found))
"""
"""Calls the command line several times in one process: starting it is what takes time."""


def write_examples(folder: Path) -> Path:
    """Write good.jsonl and bad.jsonl."""
    for side, words in KINDS.items():
        rows = [{"body": f"the {words[at % 3]} and {words[at // 3 % 3]} number {at}"} for at in range(40)]
        (folder / f"{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def groundup(folder: Path, *calls: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return exit code, stdout and stderr of each call, white space made single."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(calls)], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [tuple(said) for said in json.loads(done.stdout)]


def train(*more: str) -> tuple[str, ...]:
    return ("curate", "train-classifier", "--good", "good.jsonl", "--bad", "bad.jsonl", "--text-field", "body", "--out", "c", *more)


def test_trained_used_and_told(tmp_path):
    write_examples(tmp_path)
    small = ("--bucket-bits", "12", "--keep-good", "0.9")
    own = {"name": "mine", "classifier": "c", "rules": [{"measure": "classifier_score", "at_least": 0.5}]}
    sources = [{"name": side, "path": f"{side}.jsonl", "text_field": "body"} for side in KINDS]
    recipe = {"name": "r", "until": "curate", "curate": {"sources": sources, "rules": [own], "near_duplicates": False}}
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    dry, made, again, other, curated, why, shown = groundup(
        tmp_path,
        train(*small, "--dry-run"),
        train(*small),
        train(*small, "--json"),
        train("--char-ngrams", "2-3"),
        ("curate", "--recipe", "r.yaml", "--out", "docs", "--workers", "1", "--json"),
        ("explain", "docs", "bad:bad.jsonl:1"),
        ("show", "c", "--verify"),
    )
    assert dry[:2] == (0, "would make c")
    assert made[0] == 0, made
    for word in ("kidney", "sword", "AUC 1.0000", "use it: curate.rules:"):
        assert word in made[1]
    found = json.loads(again[1])
    assert (found["quality"]["auc"], found["features"]["bucket_bits"]) == (1, 12)
    assert "already made" in again[2]
    assert other[0] == 2
    assert "made with other settings" in other[2]
    assert "char_ngrams" in other[2]
    assert curated[0] == 0, curated
    stage = next(stage for stage in json.loads(curated[1])["stages"] if stage["stage"] == "mine")
    assert stage["by_rule"] == {"classifier_score_min": 40}
    assert why[0] == 0, why
    assert "classifier_score_min" in why[1]
    assert "what speaks to 'mine': sword -" in why[1]
    assert shown[0] == 0, shown
    assert "text-classifier" in shown[1]


REFUSED = [
    (("--bad", "missing"), "missing: no such file"),
    (("--char-ngrams", "3"), "char_ngrams"),
    (("--char-ngrams", "5-3"), "the shortest comes first"),
    (("--keep-good", "2"), "keep_good"),
    (("--calibration", "isotonic"), "'platt' or 'none'"),
    (("--word-ngrams", "0"), "nothing to see"),
    (("--text-field", "text"), "no good example could be read"),
    (("--format", "pdf"), "pdf"),
    (("--out", "."), "overlap"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> list[tuple[int, str, str]]:
    folder = write_examples(tmp_path_factory.mktemp("refused"))
    found = groundup(folder, *(train(*more) for more, _ in REFUSED))
    assert not (folder / "c" / "manifest.json").exists()
    return found


@pytest.mark.parametrize("at", range(len(REFUSED)), ids=[" ".join(more) for more, _ in REFUSED])
def test_bad_words_exit_2_and_say_the_way_out(refused, at):
    code, _, err = refused[at]
    assert code == 2
    assert REFUSED[at][1] in err
