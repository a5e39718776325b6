"""The model that a run begins with."""

import torch

from groundup.artifacts.plan import Decisions
from groundup.core.seeds import derive_seed
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Transformer, build_model
from groundup.pretrain.together import seed_dropout
from groundup.train.parallel.first_weights import first_weights
from groundup.train.parallel.team import Team
from groundup.train.ranks import Ranks


def first_model(decisions: Decisions, seed: int, device: torch.device, ranks: Ranks) -> Transformer:
    """Return what this process holds of the model, with first weights that depend on the seed alone; seed what is random in passes.

    Nothing is ever whole that lies on several processes, but for one tensor after the other.
    """
    config, generator = ModelConfig.parse(decisions.model, "plan"), torch.Generator().manual_seed(derive_seed(seed, "init"))
    if isinstance(ranks, Team):
        model = first_weights(config, decisions.attention, generator, ranks.arrange, device)
    else:
        model = build_model(config, decisions.attention)
        model.init_weights(generator)
        model = model.to(device)
    seed_dropout(ranks, seed)
    return model
