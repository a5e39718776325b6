"""Evaluate the trained model beside honest baselines on the same held-out text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from groundup.artifacts.build import Job, Outcome
from groundup.artifacts.checkpoint import TrainingRun
from groundup.artifacts.documents import Documents
from groundup.artifacts.reports import EVALUATION_FILE
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.files import write_json
from groundup.core.log import say
from groundup.evaluate.baselines import score_baselines
from groundup.evaluate.bits_per_byte import Score, score_documents
from groundup.evaluate.config import EvaluateConfig
from groundup.evaluate.held_out import HeldOut, HeldOutDocument, check_tokens, choose_held_out
from groundup.evaluate.targets import score_objective
from groundup.nn.device import resolve_device
from groundup.nn.load import load_model
from groundup.nn.samples import write_samples
from groundup.nn.threads import threads_of
from groundup.nn.transformer import Transformer
from groundup.train.config import TrainConfig
from groundup.train.objectives.table import build_objective
from groundup.train.objectives.vocabulary import Vocabulary

NOTES = (
    "The model and every baseline are scored on the same whole held-out documents.",
    "Every token counts once, end-of-document tokens included: they cost bits and add no bytes. The first token of a document "
    "is predicted from an end-of-document token, the others from up to a window of the tokens before them.",
    "unigram (add-one) and bigram (interpolated Kneser-Ney) are counted on the training tokens alone, each source once.",
    "xz is preset 9e on the documents, each followed by a newline that is not counted as text; xz_conditional is what they add "
    "to an .xz file of the training text, of which the last 128 MiB are used.",
)


SCORED_TOKENS = 500_000
"""Held-out text that an objective is scored on, at most [tokens]."""
TARGET_NOTES = (
    "The objective hides parts of the held-out text as it did in training, each row in one way that is always the same.",
    "unigram (add-one) is counted on the targets that the objective makes of the training text, and scored on the same targets.",
)


def run(config: EvaluateConfig, job: Job) -> Outcome:
    """Write evaluation.json: the model's cross-entropy, the baselines', and samples.

    A model that predicts what follows is scored in bits per byte; under another objective than the plain next token, the targets of
    that objective are scored.
    """
    run_ = job.open("pretrain", TrainingRun)
    checkpoint, shards = run_.final, job.open("encode", TokenShards)
    train = TrainConfig.parse(run_.manifest.config, str(run_.path))
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    result: dict[str, Any] = {}
    with threads_of(checkpoint):
        model = load_model(checkpoint, resolve_device(job.device))
        samples = write_samples(model, tokenizer, config.prompts, config.sample_tokens, job.seed, config.temperature, config.top_p)
        if model.config.shape == "decoder":
            held_out = choose_held_out(job.open("curate", Documents), shards, config.max_bytes)
            check_tokens(held_out, tokenizer, str(checkpoint.tokenizer_file))
            result |= score_text(model, held_out, tokenizer, config)
        if train.objective.name != "causal":
            objective = build_objective(train.objective, Vocabulary.of(tokenizer), model.config.max_seq_len, model.config.shape)
            result["objective"] = score_objective(model, objective, shards, train.document_mask, SCORED_TOKENS, config.batch)
            result["notes"] = [*result.get("notes", ()), *TARGET_NOTES]
            _say_score(result["objective"])
    result["samples"] = samples
    write_json(job.out / EVALUATION_FILE, result)
    return Outcome(counts=_counts(result))


def score_text(model: Transformer, held_out: HeldOut, tokenizer: TextTokenizer, config: EvaluateConfig) -> dict[str, Any]:
    """Return the bits per byte of the model and of the baselines on the same documents."""
    tokens = [document.tokens for document in held_out.chosen]
    result = summarise(held_out.chosen, score_documents(model, tokens, tokenizer.opening_id, config.stride, config.batch))
    say(f"  evaluate: model {result['bits_per_byte']:.3f} bits per byte on {result['bytes']:,} bytes of held-out text")
    return {**result, "baselines": score_baselines(config.baselines, held_out), "notes": NOTES}


def _say_score(found: dict[str, Any]) -> None:
    unigram = found["unigram"]
    say(
        f"  evaluate: {found['name']}: {found['nll_per_target']:.3f} nats a target, {found['accuracy']:.1%} right of "
        f"{found['targets']:,} (unigram {unigram['nll_per_target']:.3f}, {unigram['accuracy']:.1%})"
    )


def _counts(result: dict[str, Any]) -> dict[str, int | float | str]:
    counts = {key: result[key] for key in ("bits_per_byte", "nll_per_token", "tokens", "bytes", "documents") if key in result}
    return counts | {key: result["objective"][key] for key in ("nll_per_target", "accuracy", "targets") if "objective" in result}


def summarise(documents: Sequence[HeldOutDocument], nats: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the score of all documents, and under "by_source" of each source's."""

    def score(chosen: Sequence[int]) -> dict[str, Any]:
        num_tokens = sum(len(documents[i].tokens) for i in chosen)
        num_bytes = sum(len(documents[i].text) for i in chosen)
        return Score(float(nats[chosen].sum()), num_tokens, num_bytes, len(chosen)).summary()

    sources = sorted({document.source for document in documents})
    by_source = {name: score([i for i, document in enumerate(documents) if document.source == name]) for name in sources}
    return {**score(range(len(documents))), "by_source": by_source}
