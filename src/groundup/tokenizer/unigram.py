"""Unigram: the pieces that make the text most probable, with bytes for what they do not spell."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models

from groundup.artifacts.special_tokens import UNK_TOKEN
from groundup.core.errors import DataError
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.trained import Trained
from groundup.tokenizer.words import frequent_characters

BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
CHARACTER_COVERAGE = 0.9995
"""Characters rarer than the last 0.05 % are spelled in bytes (the default of SentencePiece)."""
NUM_THREADS = 2
"""Sums are taken in as many parts, so it is part of the result."""
EQUALLY_PROBABLE = 1e-3
"""Room for sums of float32 scores: two ways to cut a word that differ by less may be taken for each other."""
STANDS_FOR = str.maketrans({"\n": "\ue000", "\r": "\ue001", "\t": "\ue002"})
"""What the trainer reads instead of the characters that end its lines and columns."""
_BACK = str.maketrans({"\ue000": "\n", "\ue001": "\r", "\ue002": "\t", "▁": " "})


def train_unigram(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str],
    preparation: Preparation = Preparation(),  # noqa: B008  frozen
) -> Trained:
    """Return a tokenizer with at most `vocab_size` tokens: the special ones, the 256 bytes, then pieces (Kudo 2018).

    The trainer of SentencePiece is given the words and how often they occur, so the result depends on the texts alone, not on their
    order. Pieces hold spaces as they are: a sign that stands for them would not come back as itself.
    """
    fixed = (*special_tokens, *BYTE_TOKENS)
    words: Counter[str] = Counter()
    for block in preparation.blocks(texts):
        words.update(preparation.words(block))
    model = _learn(words, vocab_size - len(fixed))
    pieces = [] if model is None else [(name.translate(_BACK), score) for name, score in _pieces(model)]
    vocabulary = [*((name, 0.0) for name in fixed), *pieces]
    engine: Any = Tokenizer(models.Unigram(vocabulary, unk_id=fixed.index(UNK_TOKEN), byte_fallback=True))
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_tokens])
    if preparation.normaliser is not None:
        engine.normalizer = preparation.normaliser
    engine.pre_tokenizer = preparation.splitter
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    engine.encode_special_tokens = True
    return Trained(engine, _Agreement(engine, model, len(fixed), preparation).agrees)


class _Agreement:
    """What SentencePiece makes of the words of a text."""

    def __init__(self, engine: Any, model: Any, num_fixed: int, preparation: Preparation) -> None:
        self._engine = engine
        self._model = model
        self._num_fixed = num_fixed
        self._preparation = preparation
        self._checked: set[str] = set()

    def agrees(self, text: str, ids: list[int]) -> bool:
        """Return whether the engine gives the ids, and SentencePiece for each new word the same pieces or ones as probable."""
        if self._engine.encode(text, add_special_tokens=False).ids != ids:
            return False
        new = set(self._preparation.words(self._preparation.normalise(text))) - self._checked
        self._checked |= new
        alone: Any = Tokenizer(self._engine.model)
        return all(map(self._same, [alone.encode(word, add_special_tokens=False).ids for word in sorted(new)], sorted(new)))

    def _same(self, ids: list[int], word: str) -> bool:
        ours = [token - self._num_fixed + 1 for token in ids]
        if min(ours, default=1) < 1 or self._model is None or "\0" in word:
            return True  # bytes, which the trainer knows nothing of, or the end of its strings
        theirs: list[int] = self._model.encode(word.translate(STANDS_FOR))
        lost = sum(map(self._model.get_score, theirs)) - sum(map(self._model.get_score, ours))
        return ours == theirs or abs(lost) <= EQUALLY_PROBABLE


def _learn(words: Counter[str], count: int) -> Any:
    """Return a model of at most `count` pieces and one for the unknown; None if there is nothing to learn from."""
    characters: Counter[str] = Counter()
    for word, occurrences in words.items():
        for character in word:
            characters[character] += occurrences
    del characters["\0"]  # ends the trainer's strings
    alphabet = frozenset(frequent_characters(characters, (count + 1) // 2, CHARACTER_COVERAGE))
    lines = [f"{word.translate(STANDS_FOR)}\t{words[word]}" for word in sorted(words) if alphabet.issuperset(word)]
    return sentencepiece.SentencePieceProcessor(model_proto=_train(iter(lines), count + 1)) if lines else None


def _pieces(model: Any) -> list[tuple[str, float]]:
    """Return the pieces with the logarithms of their probabilities."""
    return [(model.id_to_piece(number), model.get_score(number)) for number in range(1, model.get_piece_size())]


def _train(lines: Iterator[str], vocab_size: int) -> bytes:
    """Return the model of SentencePiece; its first piece stands for the unknown."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines,
            input_format="tsv",
            model_writer=model,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_by_whitespace=False,  # the words are cut already
            split_by_unicode_script=False,
            split_by_number=False,
            allow_whitespace_only_pieces=True,
            num_threads=NUM_THREADS,
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(
            f"no unigram tokenizer can be learned from this text ({error}); add text, or take tokenizer.algorithm=bpe"
        ) from None
    return model.getvalue()
