"""Ship a checkpoint as a folder that other tools load, with proof and model card."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.checkpoint import Checkpoint, TrainingRun
from groundup.artifacts.documents import Documents
from groundup.artifacts.reports import EXPORT_FILE
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.files import write_json, write_text
from groundup.core.log import say
from groundup.core.seeds import derive_seed
from groundup.export import verify
from groundup.export.card import render_card
from groundup.export.config import ExportConfig
from groundup.export.folder import write_folder
from groundup.export.story import Story, gather
from groundup.nn.formats import format_for
from groundup.nn.load import load_config, load_model
from groundup.nn.transformer import Transformer

CARD_FILE = "README.md"
_COMPARED_TOKENS = 256
"""Tokens of each of the two sequences that logits are compared on, at most."""


def run(config: ExportConfig, job: Job) -> Outcome:
    """Write the Hugging Face folder of the trained model into `job.out`, and prove it unless told not to.

    Raises VerificationError after everything is written, marked as not verified, if the proof fails or cannot be made; the folder
    is then no finished artifact.
    """
    checkpoint = find_input(job)
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    format_for(load_config(checkpoint))  # before the weights are read: no layout may be able to hold them
    model = load_model(checkpoint, torch.device("cpu"))
    story = gather(checkpoint, model.config, config.licence, job.inputs)
    write_folder(job.out, model, checkpoint.tokenizer_file, tokenizer)
    proof: dict[str, Any] = {"format": config.format, "verified": False, "max_logit_difference": None}
    _write_findings(job.out, story, proof, tokenizer)
    if config.verify:
        proof |= prove(job, config, model, tokenizer)
        _write_findings(job.out, story, proof, tokenizer)
        say(f"  same logits in transformers {proof['transformers_version']} within {proof['max_logit_difference']:.1e}")
    return Outcome(counts={"params": story.params, "step": story.step}, volatile=frozenset({CARD_FILE, EXPORT_FILE}))


def find_input(job: Job) -> Checkpoint:
    """Return the checkpoint to export: the input itself, or the last one of a training run."""
    given = job.inputs["pretrain"]
    return TrainingRun.open(given.path).final if given.manifest.kind == TrainingRun.kind else Checkpoint.open(given.path)


def prove(job: Job, config: ExportConfig, model: Transformer, tokenizer: TextTokenizer) -> dict[str, Any]:
    """Return what the comparison with `transformers` found; raise VerificationError if it is not the same model."""
    text = held_out_text(job)
    tokens = compared_tokens(model, tokenizer.encode(text or verify.PAGE), job.seed)
    verify.compare_tokens(job.out, tokenizer, [verify.PAGE, text], model.config.shape)
    difference = verify.max_logit_difference(job.out, model, tokens)
    verify.check_tolerance(job.out, difference, config.tolerance)
    return {
        "verified": True,
        "max_logit_difference": difference,
        "tolerance": config.tolerance,
        "tokens_compared": tokens.numel(),
        "transformers_version": str(verify.load_transformers().__version__),
    }


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


def _write_findings(out: Path, story: Story, proof: dict[str, Any], tokenizer: TextTokenizer) -> None:
    write_json(out / EXPORT_FILE, proof)
    write_text(out / CARD_FILE, render_card(story, proof, tokenizer.special))
