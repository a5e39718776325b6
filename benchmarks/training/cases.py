"""What is trained side by side. Read in every environment, so it knows neither torch nor groundup."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Case:
    """One model and batch; all sides multiply the same matrices."""

    shape: Literal["decoder", "encoder", "encoder_decoder"]
    layers: int
    """Of each stack."""
    dim: int
    heads: int
    ffn_dim: int
    length: int
    """Tokens of a row; of an encoder-decoder its source."""
    target_length: int
    """Places of a row whose output is computed; of an encoder-decoder the decoder's."""
    vocab: int
    rows: int

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def step_tokens(self) -> int:
        """Tokens that the stacks read in a step."""
        return self.rows * (self.length + (self.target_length if self.shape == "encoder_decoder" else 0))

    @property
    def step_flops(self) -> float:
        """6 N + 12 L h s a token: N multiplies every token, the output head in and the embedding out, over all places."""
        feed_forward = (3 if self.shape == "encoder_decoder" else 2) * self.dim * self.ffn_dim
        block = 4 * self.dim**2 + feed_forward
        first = self.layers * (6 * block * self.length + 12 * self.dim * self.length**2)
        if self.shape != "encoder_decoder":
            return self.rows * (first + 6 * self.dim * self.vocab * self.length)
        t = self.target_length
        second = self.layers * (6 * (block + 2 * self.dim**2) * t + 12 * self.dim * t**2)
        across = self.layers * (6 * 2 * self.dim**2 * self.length + 12 * self.dim * t * self.length)
        return self.rows * (first + second + across + 6 * self.dim * self.vocab * t)

    @property
    def products(self) -> tuple[tuple[int, int, int], ...]:
        """(rows, inner, columns) of the model's matrix products."""
        rows, d, f = self.rows * self.length, self.dim, self.ffn_dim
        return ((rows, d, d), (rows, d, 3 * d), (rows, d, f), (rows, f, d), (min(rows, 1024), d, self.vocab))


CASES = {
    "12m": Case("decoder", 6, 384, 6, 1536, 256, 256, 8192, 16),
    "124m": Case("decoder", 12, 768, 12, 3072, 512, 512, 50304, 2),
    "encoder": Case("encoder", 6, 384, 6, 1536, 256, 256, 8192, 16),
    "encoder_decoder": Case("encoder_decoder", 6, 384, 6, 1024, 256, 128, 8192, 16),
}
MASKED_SHARE = 0.15
LEARNING_RATE, BETAS, WEIGHT_DECAY, CLIP_NORM = 6e-4, (0.9, 0.95), 0.1, 1.0
