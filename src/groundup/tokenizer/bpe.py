"""Byte-level BPE: how merges are learned."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from groundup.artifacts.special_tokens import EOS_TOKEN
from groundup.artifacts.tokenizer_formats.ranks import visible
from groundup.tokenizer.merges import Learned, learn_merges
from groundup.tokenizer.preparation import Preparation, blocks
from groundup.tokenizer.trained import Trained

MIN_FREQUENCY = 2
"""A pair seen once saves nothing on other text."""
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


def train_bpe(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str] = (EOS_TOKEN,),
    preparation: Preparation = Preparation(),  # noqa: B008  frozen
) -> Trained:
    """Return a tokenizer with at most `vocab_size` tokens: the special ones, the 256 bytes, then merges.

    It has fewer if the texts run out of pairs that occur twice. `texts` are read again where their last pair is rare. The result
    depends on the texts alone, not on their order. The merges are rustbpe's, or by `train_slowly` where it has none to give.
    """
    learned = learn_merges(texts, vocab_size - len(special_tokens) - len(ALPHABET), preparation)
    if learned is None:
        return train_slowly(texts, vocab_size, special_tokens, preparation)
    merges = [(visible(left), visible(right)) for left, right in learned.pairs]
    names = [*special_tokens, *ALPHABET, *(left + right for left, right in merges)]
    vocabulary = {name: number for number, name in enumerate(names)}
    engine = _engine(models.BPE(vocabulary, merges), preparation)
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_tokens])
    return Trained(engine, _Agreement(learned, vocabulary, preparation).agrees)


def train_slowly(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str],
    preparation: Preparation = Preparation(),  # noqa: B008
) -> Trained:
    """Return the same kind of tokenizer by the trainer of the library `tokenizers`, which leaves out pairs that occur once."""
    engine = _engine(models.BPE(), preparation)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_FREQUENCY,
        special_tokens=list(special_tokens),
        initial_alphabet=ALPHABET,
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer=trainer)
    return Trained(engine, lambda text, ids: engine.encode(text, add_special_tokens=False).ids == ids)


def _engine(model: Any, preparation: Preparation) -> Any:
    engine: Any = Tokenizer(model)
    if preparation.normaliser is not None:
        engine.normalizer = preparation.normaliser
    if preparation.pre_tokenizer == "gpt2":  # the cut that the step has of itself, by which other tools know it
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        engine.pre_tokenizer = pre_tokenizers.Sequence(
            [preparation.splitter, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    engine.decoder = decoders.ByteLevel()
    engine.encode_special_tokens = True
    return engine


class _Agreement:
    """What rustbpe makes of a text, in our ids."""

    def __init__(self, learned: Learned, vocabulary: Mapping[str, int], preparation: Preparation) -> None:
        self._encode = learned.encode
        self._ids = [vocabulary[visible(token)] for token in learned.tokens]
        self._normalise = preparation.normalise

    def agrees(self, text: str, ids: list[int]) -> bool:
        return [self._ids[rank] for block in blocks(self._normalise(text)) for rank in self._encode(block)] == ids
