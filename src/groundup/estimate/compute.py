"""The arithmetic of training: FLOPs by the field's conventions and by exact count, utilisation, PF-days."""

from dataclasses import dataclass

from groundup.core.errors import ConfigError
from groundup.estimate.flops import flops_per_row, recomputed_flops_per_row, score_flops_per_row
from groundup.estimate.parameters import total_parameters
from groundup.estimate.rows import RowLengths
from groundup.nn.config import ModelConfig, ShapeName
from groundup.train.config import Recompute

PF_DAY_FLOPS = 8.64e19
"""10^15 FLOP/s for a day (Kaplan et al. 2020)."""
FLOPS_PER_PARAM = {"encoder_decoder": 3.0}
"""By shape, where it is not 6: a token of an encoder-decoder meets about half of the parameters (Brown et al. 2020, table D.1)."""
TARGETS_PER_READ = 114 / 512
"""Of T5's span corruption: 512 tokens read make 114 targets (Raffel et al. 2020, section 3.1.4)."""


@dataclass(frozen=True)
class TrainingCompute:
    """What training takes, whatever it runs on."""

    shape: ShapeName
    params: float
    """All of them, look-ups included: the N of 6 N D as PaLM and most tables use it."""
    tokens: float
    flops: float
    """6 N D; of encoder-decoders 3 N D."""
    attention_flops: float | None
    """12 L d s D for scores and weighted sums, which N does not hold (PaLM, appendix B); None if the model is not known."""
    counted_flops: float | None
    """Exact: matrices by the tokens that they multiply (the head, no look-ups), and attention; None if the model is not known."""
    recomputed_flops: float
    """Spent again in the backward pass on what was not kept; of an unknown model a third of `flops` with recompute 'full'."""

    @property
    def model_flops(self) -> float:
        """What utilisation is told of: `flops` and attention, nothing computed twice."""
        return self.flops + (self.attention_flops or 0.0)

    @property
    def hardware_flops(self) -> float:
        """What devices execute: `model_flops` and what is computed again."""
        return self.model_flops + self.recomputed_flops

    @property
    def pf_days(self) -> float:
        return self.flops / PF_DAY_FLOPS

    def mfu(self, tokens_per_s: float, peak_flops_per_s: float) -> float:
        """Return the model FLOPs utilisation at a speed and a peak of all devices together (PaLM, appendix B)."""
        return self.model_flops / self.tokens * tokens_per_s / peak_flops_per_s

    def hfu(self, mfu: float) -> float:
        """Return the hardware FLOPs utilisation, which counts what is computed again too (Korthikanti et al. 2022, section 6.3)."""
        return mfu * (self.hardware_flops / self.model_flops)


def compute_of_params(params: float, tokens: float, shape: ShapeName = "decoder", recompute: Recompute = "none") -> TrainingCompute:
    """Return the compute of a model of which nothing but its size is known.

    Raises ConfigError unless both numbers are above 0, and with recompute 'selective', whose cost depends on the model.
    """
    _check(params, tokens)
    if recompute == "selective":
        raise ConfigError("--recompute selective: its cost depends on the model; name one with --model, or take none or full")
    flops = FLOPS_PER_PARAM.get(shape, 6.0) * params * tokens
    return TrainingCompute(shape, params, tokens, flops, None, None, flops / 3 if recompute == "full" else 0.0)


def compute_of_model(config: ModelConfig, tokens: float, rows: RowLengths, recompute: Recompute = "none") -> TrainingCompute:
    """Return the compute of a model, `tokens` being those of its rows, of both stacks together if it has two.

    Attention is taken as fused, so that 'selective' computes nothing of it again. Raises ConfigError unless tokens are above 0.
    """
    params = total_parameters(config)
    _check(params, tokens)
    row_tokens = rows.read_len + rows.target_len if config.num_encoder_layers else rows.read_len
    number = tokens / row_tokens
    return TrainingCompute(
        shape=config.shape,
        params=params,
        tokens=tokens,
        flops=FLOPS_PER_PARAM.get(config.shape, 6.0) * params * tokens,
        attention_flops=score_flops_per_row(config, rows) * number,
        counted_flops=flops_per_row(config, rows) * number,
        recomputed_flops=recomputed_flops_per_row(config, rows, recompute, "sdpa") * number,
    )


def rows_of(config: ModelConfig, seq_len: int | None = None, target_len: int | None = None) -> RowLengths:
    """Return rows of `seq_len` tokens (the model's longest unless said) and, of an encoder-decoder, targets as many as T5's.

    Raises ConfigError if a length is not above 0, longer than learned positions, or has no effect on the model.
    """
    read_len = config.max_seq_len if seq_len is None else seq_len
    if read_len < 1 or (target_len is not None and target_len < 1):
        raise ConfigError(f"--seq-len {read_len}, --target-len {target_len}: lengths are numbers of tokens above 0")
    if config.position == "learned" and read_len > config.max_seq_len:
        raise ConfigError(f"--seq-len {read_len} is longer than the {config.max_seq_len} positions that the model learns")
    if not config.num_encoder_layers:
        if target_len is not None:
            raise ConfigError(f"--target-len {target_len} has no effect on a model of one stack ({config.shape}); leave it out")
        return RowLengths.causal(read_len)
    targets = target_len or max(1, round(read_len * TARGETS_PER_READ))
    return RowLengths(read_len + targets, read_len, targets, targets)


def _check(params: float, tokens: float) -> None:
    if not (params > 0 and tokens > 0):
        raise ConfigError(f"--params {params:g} and --tokens {tokens:g}: both are numbers above 0")
