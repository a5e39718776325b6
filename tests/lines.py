"""A line small enough for tests: real text of the installation, a tiny model, a few steps."""

import json
import sysconfig
from pathlib import Path

import yaml

from groundup.artifacts.artifact import Artifact
from groundup.pipeline import VERBS

MODULES = (
    "argparse",
    "decimal",
    "statistics",
    "inspect",
    "subprocess",
    "typing",
    "tarfile",
    "zipfile",
    "pickle",
    "random",
    "shutil",
    "socket",
)


def write_text_files(folder: Path) -> Path:
    """Write the source text of a few standard modules as text files: real prose and code, present everywhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        source = Path(sysconfig.get_path("stdlib")) / f"{name}.py"
        (folder / f"{name}.txt").write_text(source.read_text()[:40_000])
    return folder


def write_recipe(folder: Path, **sections: object) -> Path:
    """Write the tiny recipe into `folder` and return its path."""
    write_text_files(folder / "texts")
    recipe: dict[str, object] = {
        "name": "tiny",
        "device": "cpu",
        "model": {"dim": 32, "num_layers": 2, "num_heads": 2},
        "curate": {"sources": [{"name": "own", "path": "texts", "licence": "PSF-2.0"}], "rules": [], "validation": 0.2},
        "tokenizer": {"vocab_size": 512},
        "pretrain": {
            "seq_len": 64,
            "batch_tokens": 512,
            "steps": 30,
            "checkpoint_steps": 10,
            "precision": "fp32",
            "attention": "sdpa",
        },
        "evaluate": {"max_bytes": 20_000, "prompts": ["def "], "sample_tokens": 10},
        **sections,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder / "recipe.yaml"


def content_hashes(run: Path) -> dict[str, str]:
    """Return the content hash of every stage's artifact."""
    return {verb: Artifact.open(run / verb).content_hash for verb in VERBS if (run / verb).is_dir()}


def checkpoint_hash(run: Path) -> str:
    """Return the content hash of the last checkpoint."""
    steps = json.loads((run / "pretrain" / "manifest.json").read_text())["counts"]["steps"]
    return Artifact.open(run / "pretrain" / "checkpoints" / f"step-{steps}").content_hash
