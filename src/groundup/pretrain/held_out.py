"""The run's evaluation on the way, made from what its stage is given."""

import functools

from groundup.artifacts.build import Job
from groundup.artifacts.plan import Decisions
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import DataError
from groundup.core.log import say
from groundup.nn.samples import write_samples
from groundup.nn.transformer import Transformer
from groundup.train.config import TrainConfig
from groundup.train.hooks.evaluation import EVALUATIONS_FILE, Evaluation
from groundup.train.hooks.held_out import HeldOut
from groundup.train.objectives.objective import Objective
from groundup.train.passes import autocast
from groundup.train.ranks import Ranks


def build_evaluation(
    config: TrainConfig,
    job: Job,
    decisions: Decisions,
    shards: TokenShards,
    tokenizer: TextTokenizer,
    objective: Objective,
    model: Transformer,
    ranks: Ranks,
) -> Evaluation | None:
    """Return the hook that scores held-out text; None, with a word about it, if none is wanted or there is no such text."""
    wanted = config.evaluate
    if not wanted.enabled:
        return None
    max_tokens = wanted.tokens(decisions.steps, decisions.batch_tokens)
    try:
        held_out = HeldOut(shards, objective, config.document_mask, max_tokens, decisions.micro_batch)
    except DataError as error:
        say(f"  nothing is evaluated on the way: {error}", style="dim")
        return None
    samples_fit = ranks.size == 1  # elsewhere no process need hold all weights
    if wanted.prompts and not samples_fit:
        say("  pretrain.evaluate.prompts: no samples on the way, as weights lie on several processes; 'groundup generate' has them")
    samples = functools.partial(
        write_samples,
        tokenizer=tokenizer,
        prompts=wanted.prompts,
        num_tokens=wanted.sample_tokens,
        seed=job.seed,
        key="pretrain.evaluate.prompts",
    )
    return Evaluation(
        job.out / EVALUATIONS_FILE,
        wanted.interval(decisions.steps),
        held_out,
        model,
        autocast(decisions.precision, decisions.device),
        samples if wanted.prompts and samples_fit else None,
        config.storage_patience_s,
        ranks,
    )
