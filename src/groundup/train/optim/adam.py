"""Adam."""

from torch import nn
from torch.optim import Adam, Optimizer

from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import parameter_groups


def adam(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return Adam (Kingma & Ba 2015, algorithm 1) in torch's fused form; it has no weight decay, which is AdamW's."""
    beta1, beta2, eps = config.numbers("beta1", "beta2", "eps")
    return Adam(parameter_groups(model, config, mup_power=1.0), lr=0.0, betas=(beta1, beta2), eps=eps, fused=True)
