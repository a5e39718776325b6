"""Ship a checkpoint in a form that other tools load, with proof and model card."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.checkpoint import Checkpoint, TrainingRun
from groundup.artifacts.documents import DATA_CARD_TEXT, Documents
from groundup.artifacts.reports import EXPORT_FILE
from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.files import storage_errors, write_bytes, write_json, write_text
from groundup.core.seeds import derive_seed
from groundup.export import verify
from groundup.export.card import render_card
from groundup.export.config import ExportConfig, FormatName
from groundup.export.gguf import Gguf
from groundup.export.huggingface import HuggingFace
from groundup.export.story import Story, gather
from groundup.export.target import Cargo, Target
from groundup.nn.config import ModelConfig
from groundup.nn.load import load_config, load_model
from groundup.nn.transformer import Transformer

CARD_FILE = "README.md"
TARGETS: Final[dict[FormatName, Callable[[ExportConfig], Target]]] = {"hf": HuggingFace, "gguf": Gguf}
"""export.format -> what writes and proves it."""
_COMPARED_TOKENS = 256
"""Tokens of each of the two sequences that logits are compared on, at most."""


def check(config: ExportConfig, models: Sequence[ModelConfig]) -> None:
    """Raise ConfigError if the form cannot hold one of the models; known before they are trained."""
    target = TARGETS[config.format](config)
    for model in models:
        target.check(model)


def run(config: ExportConfig, job: Job) -> Outcome:
    """Write the trained model into `job.out`, and prove it unless told not to.

    Raises VerificationError after everything is written, marked as not verified, if the proof fails or cannot be made; the folder
    is then no finished artifact.
    """
    checkpoint = find_input(job)
    target = TARGETS[config.format](config)
    target.check(load_config(checkpoint))  # before the weights are read
    cargo = load_cargo(checkpoint, job)
    story = gather(checkpoint, cargo.model.config, config.licence, job.inputs)
    target.write(job.out, cargo)
    _ship_data_card(job)
    proof: dict[str, Any] = {**config.form(), "verified": False, "max_logit_difference": None}
    _write_findings(job.out, story, proof, cargo.tokenizer.special)
    if config.verify:
        proof |= target.prove(job.out, cargo)
        _write_findings(job.out, story, proof, cargo.tokenizer.special)
    words = frozenset({CARD_FILE, DATA_CARD_TEXT, EXPORT_FILE})
    return Outcome(counts={"params": story.params, "step": story.step}, volatile=words)


def _ship_data_card(job: Job) -> None:
    """Write the data card of the text beside the model, if the curation made one."""
    if "curate" in job.inputs:
        documents = job.open("curate", Documents)
        if DATA_CARD_TEXT in documents.manifest.files:
            with storage_errors(documents.path):
                write_bytes(job.out / DATA_CARD_TEXT, (documents.path / DATA_CARD_TEXT).read_bytes())


def find_input(job: Job) -> Checkpoint:
    """Return the checkpoint to export: the input itself, or the last one of a training run."""
    given = job.inputs["pretrain"]
    return TrainingRun.open(given.path).final if given.manifest.kind == TrainingRun.kind else Checkpoint.open(given.path)


def load_cargo(checkpoint: Checkpoint, job: Job) -> Cargo:
    """Return the checkpoint in memory, with what it is compared on."""
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    model = load_model(checkpoint, torch.device("cpu"))
    text = held_out_text(job)
    tokens = compared_tokens(model, tokenizer.encode(text or verify.PAGE), job.seed)
    if tokenizer.special.pad is not None:  # some families see padding in it wherever it stands
        tokens[tokens == tokenizer.pad_id] = tokenizer.eos_id
    return Cargo(model, tokenizer, checkpoint.tokenizer_file, text, tokens)


def held_out_text(job: Job) -> str:
    """Return the start of the held-out documents; empty if there are none."""
    if "curate" not in job.inputs:
        return ""
    text = ""
    for document in job.open("curate", Documents).read("validation", batch=8):
        text += document.text + "\n"
        if len(text) > 8 * _COMPARED_TOKENS:
            break
    return text[: 8 * _COMPARED_TOKENS]


def compared_tokens(model: Transformer, text_ids: list[int], seed: int) -> Int[Tensor, "2 seq"]:
    """Return one sequence of text and one of random tokens, which reach the whole vocabulary."""
    length = min(model.config.max_seq_len, _COMPARED_TOKENS, len(text_ids))
    generator = torch.Generator().manual_seed(derive_seed(seed, "export"))
    random_ids = torch.randint(model.config.vocab_size, (length,), generator=generator)
    return torch.stack([torch.tensor(text_ids[:length]), random_ids])


def _write_findings(out: Path, story: Story, proof: dict[str, Any], special: SpecialNames) -> None:
    write_json(out / EXPORT_FILE, proof)
    write_text(out / CARD_FILE, render_card(story, proof, special))
