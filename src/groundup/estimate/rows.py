"""How long the rows of a batch are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RowLengths:
    """Tokens of one row of a batch, as far as memory and speed depend on it."""

    text_len: int
    """Of the text that a row is made from."""
    read_len: int
    """Read by the only stack, or by the encoder of two."""
    target_len: int
    """Read by the decoder of two stacks; with one stack, read_len."""
    predicted_len: int
    """Places whose logits are computed."""

    @classmethod
    def causal(cls, seq_len: int) -> "RowLengths":
        """Return those of rows in which each token predicts the next."""
        return cls(seq_len, seq_len, seq_len, seq_len)
