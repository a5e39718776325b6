"""AdamW."""

from torch import nn
from torch.optim import AdamW, Optimizer

from groundup.train.optim.config import OptimizerConfig
from groundup.train.optim.groups import parameter_groups


def adamw(model: nn.Module, config: OptimizerConfig) -> Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019, algorithm 2) in torch's fused form, where the learning rate scales the decay too."""
    beta1, beta2, eps = config.numbers("beta1", "beta2", "eps")
    return AdamW(parameter_groups(model, config, mup_power=1.0), lr=0.0, betas=(beta1, beta2), eps=eps, fused=True)
