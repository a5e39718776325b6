"""Byte-level BPE: how merges are learned."""

from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from groundup.artifacts.special_tokens import EOS_TOKEN
from groundup.tokenizer.words import word_splitter

MIN_FREQUENCY = 2
"""A pair seen once saves nothing on other text."""


def train_bpe(texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str] = (EOS_TOKEN,)) -> Any:
    """Return a tokenizer engine with at most `vocab_size` tokens: the special ones, the 256 bytes, then merges.

    It has fewer if the texts run out of pairs that occur twice. No text is changed before it is cut: a normaliser would
    make the way back inexact. The result depends on the texts alone, not on their order.
    """
    engine: Any = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [word_splitter(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_FREQUENCY,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer=trainer)
    return engine
