"""Floating-point operations of training, as the field counts them."""

from groundup.estimate.parameters import matmul_parameters
from groundup.nn.config import ModelConfig


def attention_flops_per_token(config: ModelConfig, seq_len: int) -> int:
    """Return 12 L d s, d being the width of all heads (PaLM, appendix B): scores and weighted sum, forward and backward.

    The whole square is counted: the causal half that a kernel may skip too, so that figures compare with published ones.
    """
    return 12 * config.num_layers * config.inner_dim * seq_len


def flops_per_token(config: ModelConfig, seq_len: int) -> int:
    """Return the FLOPs that training spends on one token: 6 N + 12 L d s (PaLM, appendix B).

    N are the parameters that multiply every token (`matmul_parameters`): 2 FLOPs each forward, 4 backward.
    """
    return 6 * matmul_parameters(config) + attention_flops_per_token(config, seq_len)
