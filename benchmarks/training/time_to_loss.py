"""How long groundup's recipe takes to the loss that nanoGPT reaches in a given time, on one text with one tokenizer.

    python benchmarks/training/time_to_loss.py prepare DIR --text TEXT [--seed 0]
    python benchmarks/training/time_to_loss.py nanogpt DIR --checkout CHECKOUT --learning-rate 1e-3 [--seed 0] [--bf16] [--steps N]
    python benchmarks/training/time_to_loss.py groundup DIR --steps 250 [--seed 0] [--name NAME --set KEY=VALUE ...]
    python benchmarks/training/time_to_loss.py table DIR

Both sides train the model of the case `12m`: nanoGPT without biases, groundup as its recipe `decoder_clm` builds it at that width
and depth. nanoGPT's iterations are as many as fit into --minutes at the speed of a short run before, which also fills the
compiler's cache; its cosine comes down at the last one. With --steps it takes that many instead, so that rates are compared on a
busy machine too. Seconds are wall clock from the start of the command to its end: imports,
compilation, groundup's plan and the checkpoint included. Both models are scored by groundup on the same held-out text, in bits per
byte; a seed decides what is held out too, the same for both. Each run adds a line to DIR/results.jsonl. Run one at a time, on the
same cores, with nothing else on them.
"""

import argparse
import json
import pickle
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import numpy as np
import torch
from cases import CASES
from groundup_engine import model_config  # type: ignore[import-not-found]
from torch import Tensor

from groundup import api
from groundup.artifacts.checkpoint import TrainingRun
from groundup.artifacts.documents import Documents
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.evaluate.bits_per_byte import score_documents
from groundup.evaluate.held_out import choose_held_out
from groundup.evaluate.run import summarise
from groundup.nn.load import load_model, model_of
from groundup.nn.transformer import Transformer
from groundup.recipe import SHIPPED, load_recipe

CASE, CASE_NAME = CASES["12m"], "12m"
HERE = Path(__file__).parent
RESULTS = "results.jsonl"
CALIBRATION = 30
"""Iterations that nanoGPT's speed is taken from."""
SIZES = [f"tokenizer.vocab_size={CASE.vocab}", f"model.dim={CASE.dim}", f"model.num_layers={CASE.layers}"]
SIZES += [f"model.num_heads={CASE.heads}", f"pretrain.seq_len={CASE.length}"]
HELD_OUT_BYTES = 400_000


def recipe_settings(text: Path, seed: int) -> list[str]:
    """Return what is set in the shipped recipe."""
    return [f"seed={seed}", f"curate.sources=[{{name: text, path: {text.absolute()}}}]", *SIZES]


def prepare(given: argparse.Namespace) -> None:
    """Cut the text into tokens, for both sides."""
    recipe = load_recipe(SHIPPED / "decoder_clm.yaml", recipe_settings(given.text, given.seed))
    run = api.run(recipe, given.folder / f"text-{given.seed}", until="encode")
    shards = TokenShards.open(run.path / "encode")
    data = given.folder / f"data-{given.seed}" / "text"
    data.mkdir(parents=True, exist_ok=True)
    for name, tokens in (("train", shards.tokens("train", "text")), ("val", shards.tokens("validation", "text"))):
        np.asarray(tokens, np.uint16).tofile(data / f"{name}.bin")  # documents in their order, an end-of-document after each
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": CASE.vocab}))
    (given.folder / "text.json").write_text(json.dumps({"text": str(given.text.absolute())}))


def score(model: Transformer, folder: Path) -> float:
    """Return the model's bits per byte on the held-out text."""
    documents, shards = Documents.open(folder / "curate"), TokenShards.open(folder / "encode")
    held_out = choose_held_out(documents, shards, HELD_OUT_BYTES).chosen
    opening = TextTokenizer.from_file(folder / "tokenizer" / "tokenizer.json").opening_id
    nats = score_documents(model, [document.tokens for document in held_out], opening, None, 8)
    return float(summarise(held_out, nats)["bits_per_byte"])


def nanogpt(given: argparse.Namespace) -> dict[str, Any]:
    """Train with nanoGPT for the minutes, and score it."""
    peer = [sys.executable, str(HERE / "peers" / "nanogpt_text.py"), CASE_NAME, "--checkout", str(given.checkout)]
    folder = given.folder / f"nanogpt-{given.learning_rate:g}-{given.seed}{'-bf16' if given.bf16 else ''}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(given.folder / f"data-{given.seed}", folder / "data")
    command = [*peer, "--folder", str(folder), "--seed", str(given.seed), "--learning-rate", f"{given.learning_rate:g}"]
    command += ["--bf16"] if given.bf16 else []
    iterations = given.steps or _iterations(command, given.minutes * 60)
    seconds = _seconds([*command, "--iterations", str(iterations)])
    saved = torch.load(folder / "out" / "ckpt.pt", map_location="cpu", weights_only=True)
    bits = score(model_of(model_config(CASE), from_nanogpt(saved["model"])), given.folder / f"text-{given.seed}")
    name = f"nanoGPT, {'bf16' if given.bf16 else 'fp32'}, rate {given.learning_rate:g}"
    return {"name": name, "steps": iterations, "step_tokens": CASE.rows * CASE.length, "seconds": seconds, "bits_per_byte": bits}


def _iterations(command: list[str], within_s: float) -> int:
    """Return how many iterations fit into the seconds."""
    _seconds([*command, "--iterations", "2"])  # compiles
    some_s, start_s = (_seconds([*command, "--iterations", str(count)]) for count in (2 + CALIBRATION, 2))
    return int((within_s - start_s) / ((some_s - start_s) / CALIBRATION))


def from_nanogpt(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under our names; query, key and value lie below each other."""
    tensors = {name.removeprefix("_orig_mod.").removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    ours = {
        "embedding.weight": tensors["wte.weight"],
        "decoder.position.table.weight": tensors["wpe.weight"],
        "decoder.norm.weight": tensors["ln_f.weight"],
    }
    for i in range(CASE.layers):
        theirs, block = f"h.{i}.", f"decoder.blocks.{i}."
        for part, tensor in zip(("query", "key", "value"), tensors[theirs + "attn.c_attn.weight"].chunk(3), strict=True):
            ours[f"{block}attention.{part}.weight"] = tensor
        ours[block + "attention.output.weight"] = tensors[theirs + "attn.c_proj.weight"]
        ours[block + "feed_forward.up.weight"] = tensors[theirs + "mlp.c_fc.weight"]
        ours[block + "feed_forward.down.weight"] = tensors[theirs + "mlp.c_proj.weight"]
        ours[block + "residual.norms.0.weight"] = tensors[theirs + "ln_1.weight"]
        ours[block + "residual.norms.1.weight"] = tensors[theirs + "ln_2.weight"]
    return {name: tensor.contiguous() for name, tensor in ours.items()}


def groundup(given: argparse.Namespace) -> dict[str, Any]:
    """Train with groundup, and score it."""
    text = Path(json.loads((given.folder / "text.json").read_text())["text"])
    folder = given.folder / f"groundup-{given.name.replace(' ', '-')}-{given.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    for stage in ("curate", "tokenizer", "encode"):
        shutil.copytree(given.folder / f"text-{given.seed}" / stage, folder / stage)
    settings = [*recipe_settings(text, given.seed), f"pretrain.steps={given.steps}", *given.set]
    command = [
        sys.executable,
        "-m",
        "groundup",
        "run",
        str(SHIPPED / "decoder_clm.yaml"),
        "--out",
        str(folder),
        "--until",
        "pretrain",
    ]
    seconds = _seconds([*command, *(word for setting in settings for word in ("--set", setting))])
    run = TrainingRun.open(folder / "pretrain")
    speed = json.loads((run.path / "speed.json").read_text())
    bits = score(load_model(run.final, torch.device("cpu")), folder)
    result = {"name": f"groundup, {given.name}", "steps": given.steps, "seconds": seconds, "bits_per_byte": bits}
    return {**result, "train_s": speed["train_s"], "median_step_s": speed["median_step_s"], "settings": given.set}


def _seconds(command: list[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    return time.perf_counter() - start_s


def table(given: argparse.Namespace) -> None:
    """Print the mean of each side over its seeds."""
    sides: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in (given.folder / RESULTS).read_text().splitlines():
        row = json.loads(line)
        sides[row["name"]].append(row)
    sys.stdout.write("| side | seeds | steps | minutes | bits per byte |\n|---|---|---|---|---|\n")
    for name, rows in sides.items():
        bits = ", ".join(f"{row['bits_per_byte']:.4f}" for row in rows)
        minutes = ", ".join(f"{row['seconds'] / 60:.1f}" for row in rows)
        sys.stdout.write(f"| {name} | {len(rows)} | {rows[0]['steps']:,} | {minutes} | {bits} |\n")


def main() -> None:
    """Do what is asked and keep its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("prepare", "nanogpt", "groundup", "table"))
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--text", type=Path)
    parser.add_argument("--checkout", type=Path, help="checkout of nanoGPT")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--name", default="the recipe")
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    given.folder = given.folder.absolute()
    if given.what in ("prepare", "table"):
        {"prepare": prepare, "table": table}[given.what](given)
        return
    result = {"nanogpt": nanogpt, "groundup": groundup}[given.what](given) | {
        "seed": given.seed,
        "threads": torch.get_num_threads(),
    }
    with (given.folder / RESULTS).open("a") as file:
        file.write(json.dumps(result) + "\n")
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
