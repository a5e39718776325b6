"""The mix: how many tokens of each source there are to train on, as decided when they were counted."""

from groundup.core.config import Config
from groundup.core.units import format_count

MIX = "mix.json"


class MixedSource(Config):
    """One source's part of the mix."""

    name: str
    share: float
    """What was asked for, of 1."""
    available_tokens: int
    """Tokens of its text for training, each once."""
    available_documents: int
    tokens: int
    """Its part of the mix, repeats included."""
    epochs: float
    """How often each of its kept tokens is seen; below 1 where some windows of the last document are not needed."""
    max_epochs: float
    kept_tokens: int
    """Tokens in its stream: all, or those of the documents that are enough."""
    kept_documents: int


class Mix(Config):
    """The contents of mix.json."""

    tokens: int
    """Sum of the sources' parts."""
    sources: tuple[MixedSource, ...]
    notes: tuple[str, ...]
    """What came out otherwise than asked for, in words."""

    def summary(self) -> str:
        """Return the shares that were reached: 'law 51.0%, web 49.0%'."""
        return ", ".join(f"{source.name} {source.tokens / self.tokens:.1%}" for source in self.sources if source.tokens)

    def beyond(self, tokens: int) -> str | None:
        """Return what a run of so many tokens does to the mix, None if it keeps it."""
        times = tokens / self.tokens
        over = [source for source in self.sources if source.tokens and source.epochs * times > source.max_epochs * _TOLERANCE]
        if times <= _TOLERANCE or not over:
            return None
        seen = ", ".join(f"'{source.name}' {source.epochs * times:.2g} (at most {source.max_epochs:g})" for source in over)
        return (
            f"the run reads {format_count(tokens)} tokens, the mix is made for {format_count(self.tokens)}: it is gone through "
            f"{times:.2g} times, which makes the epochs of {seen}; set encode.mix.tokens to {tokens:,}, or train on fewer"
        )


_TOLERANCE = 1.01
"""Whole steps and windows do not end exactly where a mix does."""
