"""The watch over a run, made from what its stage is given."""

from collections.abc import Callable
from pathlib import Path

from groundup.artifacts.band import Band
from groundup.artifacts.build import Job
from groundup.artifacts.plan import Plan
from groundup.artifacts.token_shards import TokenShards
from groundup.core.errors import ConfigError
from groundup.train.config import TrainConfig
from groundup.train.hooks.evaluation import Evaluation
from groundup.train.hooks.watch import Watch, check_band

KEY = "pretrain.watch.band"


def build_watch(
    config: TrainConfig,
    job: Job,
    plan: Plan,
    shards: TokenShards,
    evaluation: Evaluation | None,
    tell: Callable[[str], None],
    stop: Callable[[str], None],
) -> Watch | None:
    """Return the hook that compares evaluations with the band; None if none is wanted.

    Raises ConfigError if the band is of another tokenizer, held-out text, model or length, or nothing is evaluated.
    """
    wanted = config.watch
    if wanted is None:
        return None
    if evaluation is None:
        raise ConfigError(f"{KEY}={wanted.band}: there is no held-out text to watch; set curate.validation, or leave watch out")
    band = Band.open(Path(wanted.band))
    mine = {
        "tokenizer": shards.info.tokenizer_hash,
        "held_out": shards.held_out_hash,
        "params": plan.forecast.params,
        "tokens": plan.forecast.tokens,
        "held_out_targets": evaluation.targets,
        "shards": shards.content_hash,
    }
    check_band(band, mine, KEY)
    return Watch(band, wanted, lambda: evaluation.rows, job.out, tell, stop)
