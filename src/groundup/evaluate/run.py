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
from groundup.evaluate.held_out import HeldOutDocument, check_tokens, choose_held_out
from groundup.evaluate.samples import write_samples
from groundup.nn.device import resolve_device
from groundup.nn.load import load_model
from groundup.nn.threads import threads_of

NOTES = (
    "The model and every baseline are scored on the same whole held-out documents.",
    "Every token counts once, end-of-document tokens included: they cost bits and add no bytes. The first token of a document "
    "is predicted from an end-of-document token, the others from up to a window of the tokens before them.",
    "unigram (add-one) and bigram (interpolated Kneser-Ney) are counted on the training tokens alone, each source once.",
    "xz is preset 9e on the documents, each followed by a newline that is not counted as text; xz_conditional is what they add "
    "to an .xz file of the training text, of which the last 128 MiB are used.",
)


def run(config: EvaluateConfig, job: Job) -> Outcome:
    """Write evaluation.json: the model's cross-entropy, the baselines', and samples."""
    checkpoint = job.open("pretrain", TrainingRun).final
    held_out = choose_held_out(job.open("curate", Documents), job.open("encode", TokenShards), config.max_bytes)
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    check_tokens(held_out, tokenizer, str(checkpoint.tokenizer_file))
    with threads_of(checkpoint):
        model = load_model(checkpoint, resolve_device(job.device))
        samples = write_samples(model, tokenizer, config, job.seed)
        tokens = [document.tokens for document in held_out.chosen]
        nats = score_documents(model, tokens, tokenizer.eos_id, config.stride, config.batch)
    result = summarise(held_out.chosen, nats)
    say(f"  evaluate: model {result['bits_per_byte']:.3f} bits per byte on {result['bytes']:,} bytes of held-out text")
    result["samples"] = samples
    result["baselines"] = score_baselines(config.baselines, held_out)
    result["notes"] = NOTES
    write_json(job.out / EVALUATION_FILE, result)
    return Outcome(counts={key: result[key] for key in ("bits_per_byte", "nll_per_token", "tokens", "bytes", "documents")})


def summarise(documents: Sequence[HeldOutDocument], nats: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Return the score of all documents, and under "by_source" of each source's."""

    def score(chosen: Sequence[int]) -> dict[str, Any]:
        num_tokens = sum(len(documents[i].tokens) for i in chosen)
        num_bytes = sum(len(documents[i].text) for i in chosen)
        return Score(float(nats[chosen].sum()), num_tokens, num_bytes, len(chosen)).summary()

    sources = sorted({document.source for document in documents})
    by_source = {name: score([i for i, document in enumerate(documents) if document.source == name]) for name in sources}
    return {**score(range(len(documents))), "by_source": by_source}
