"""Floating-point operations of training, as the field counts them."""

from groundup.estimate.parameters import attention_parameters, feed_forward_parameters, head_parameters
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import AttentionName
from groundup.nn.config import ModelConfig
from groundup.train.config import Recompute


def flops_per_token(config: ModelConfig, rows: RowLengths) -> float:
    """Return the FLOPs that training spends on one token of text: 6 N + 12 L d s for a decoder (PaLM, appendix B).

    N are the parameters that multiply every token, the output head tied or not, but no look-ups and norms: 2 FLOPs each forward,
    4 backward. In an encoder-decoder each stack's parameters multiply its own tokens, and the cross-attention's keys and values
    those of the source. The head multiplies the places that are predicted.
    """
    return flops_per_row(config, rows) / rows.text_len


def flops_per_row(config: ModelConfig, rows: RowLengths) -> int:
    """Return the FLOPs that training spends on one row of a batch."""
    return sum(block_flops(config, rows)) + head_flops(config, rows)


def recomputed_flops_per_row(config: ModelConfig, rows: RowLengths, recompute: Recompute, attention: AttentionName) -> int:
    """Return the FLOPs that a step spends on one row beside those of `flops_per_row`, to compute again what was not kept.

    'full': the blocks' forward pass once more (the last product of a block is spared where nothing asks for its result).
    'selective': scores and weighted sums, where the kernel writes them down.
    """
    if recompute == "none" or (recompute == "selective" and attention == "sdpa" and not config.attention_dropout):
        return 0
    return (sum(block_flops(config, rows)) if recompute == "full" else score_flops_per_row(config, rows)) // 3


def score_flops_per_row(config: ModelConfig, rows: RowLengths) -> int:
    """Return the FLOPs of attention's scores and weighted sums in training on one row: 12 L d s for each token of a decoder."""
    decoder = _scores_flops(config, config.num_layers, rows.target_len, rows.target_len)
    if not config.num_encoder_layers:
        return decoder
    encoder = _scores_flops(config, config.num_encoder_layers, rows.read_len, rows.read_len)
    return encoder + decoder + _scores_flops(config, config.num_layers, rows.target_len, rows.read_len)


def block_flops(config: ModelConfig, rows: RowLengths) -> list[int]:
    """Return the FLOPs that training spends in each block on one row: those of an encoder, then those of a decoder."""
    decoder = _stack_flops(config, 1, rows.target_len)
    if not config.num_encoder_layers:
        return [decoder] * config.num_layers
    queries = 2 * config.dim * config.inner_dim * rows.target_len
    keys = 2 * config.dim * config.kv_dim * rows.read_len
    across = 6 * (queries + keys) + _scores_flops(config, 1, rows.target_len, rows.read_len)
    encoder = _stack_flops(config, 1, rows.read_len)
    return [encoder] * config.num_encoder_layers + [decoder + across] * config.num_layers


def head_flops(config: ModelConfig, rows: RowLengths) -> int:
    """Return the FLOPs that training spends on the logits of one row."""
    return 6 * head_parameters(config) * rows.predicted_len


def _stack_flops(config: ModelConfig, layers: int, length: int) -> int:
    matrices = layers * (attention_parameters(config) + feed_forward_parameters(config))
    return 6 * matrices * length + _scores_flops(config, layers, length, length)


def _scores_flops(config: ModelConfig, layers: int, length: int, seen_len: int) -> int:
    """Return 12 L d n s, d being the width of all heads (PaLM, appendix B): scores and weighted sum, forward and backward.

    The whole square is counted: the causal half that a kernel may skip too, so that figures compare with published ones.
    """
    return 12 * layers * config.inner_dim * length * seen_len
