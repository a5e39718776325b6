"""Floating-point operations of training, as the field counts them."""

from groundup.estimate.parameters import matmul_parameters
from groundup.nn.config import ModelConfig


def attention_flops_per_token(config: ModelConfig, seq_len: int) -> int:
    """Return 12 L d s: scores and weighted sum, forward and backward, over the whole square (PaLM, appendix B).

    The causal half that a kernel may skip is counted, so that figures compare with published ones.
    """
    return 12 * config.num_layers * config.dim * seq_len


def flops_per_token(config: ModelConfig, seq_len: int) -> int:
    """Return the FLOPs that training spends on one token: 6 N + 12 L d s (PaLM, appendix B).

    N are the parameters that multiply every token (`matmul_parameters`): 2 FLOPs each forward, 4 backward.
    """
    return 6 * matmul_parameters(config) + attention_flops_per_token(config, seq_len)
