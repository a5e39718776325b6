"""Unigram: the pieces that make the text most probable, with bytes for what they do not spell."""

import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
END_MARK = "\ue003"
"""Stands behind a word so that it is seen before something."""
MARKED = 256
"""One piece in so many is learned beyond those asked for, as some have END_MARK and are left out ('ing' and the mark)."""
MIN_FREQUENCY = 2
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
    numbers = [] if model is None else _pieces(model, vocab_size - len(fixed))
    pieces = [(model.id_to_piece(number).translate(_BACK), model.get_score(number)) for number in numbers]
    vocabulary = [*((name, 0.0) for name in fixed), *pieces]
    engine: Any = Tokenizer(models.Unigram(vocabulary, unk_id=fixed.index(UNK_TOKEN), byte_fallback=True))
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_tokens])
    if preparation.normaliser is not None:
        engine.normalizer = preparation.normaliser
    engine.pre_tokenizer = preparation.splitter
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    engine.encode_special_tokens = True
    return Trained(engine, _Agreement(engine, model, len(fixed), numbers, preparation).agrees)


class _Agreement:
    """What SentencePiece makes of the words of a text."""

    def __init__(self, engine: Any, model: Any, num_fixed: int, numbers: Sequence[int], preparation: Preparation) -> None:
        self._engine = engine
        self._model = model
        self._num_fixed = num_fixed
        self._numbers = numbers
        self._preparation = preparation
        self._scores = {model.id_to_piece(number).translate(_BACK): model.get_score(number) for number in numbers}
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
        if min(ids, default=0) < self._num_fixed or "\0" in word:
            return True  # bytes, which the trainer knows nothing of, or the end of its strings
        ours = [self._numbers[token - self._num_fixed] for token in ids]
        theirs: list[int] = self._model.encode(word.translate(STANDS_FOR))
        if ours == theirs:
            return True
        names = [self._model.id_to_piece(number).translate(_BACK) for number in theirs]
        has_all = all(name in self._scores for name in names)
        best = sum(map(self._model.get_score, theirs)) if has_all else self._best_score(word)
        is_as_probable: bool = abs(best - sum(map(self._model.get_score, ours))) <= EQUALLY_PROBABLE
        return is_as_probable

    def _best_score(self, word: str) -> float:
        """Return the score of the most probable cut into pieces that are there."""
        best = [0.0]
        for end in range(1, len(word) + 1):
            found = (best[start] + self._scores.get(word[start:end], -math.inf) for start in range(end))
            best.append(max(found))
        return best[-1]


def _learn(words: Counter[str], count: int) -> Any:
    """Return a model of at most `count` pieces and one for the unknown; None if there is nothing to learn from."""
    characters: Counter[str] = Counter()
    for word, occurrences in words.items():
        for character in word:
            characters[character] += occurrences
    for odd in ("\0", END_MARK):  # the first ends the trainer's strings
        del characters[odd]
    alphabet = frozenset(frequent_characters(characters, (count + 1) // 2, CHARACTER_COVERAGE))
    counts = {word.translate(STANDS_FOR): words[word] for word in words if alphabet.issuperset(word)}
    return sentencepiece.SentencePieceProcessor(model_proto=_train(_lines(counts), count + 2 + count // MARKED)) if counts else None


def _lines(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the trainer's lines: each word with its count, and words that no other begins with once more with END_MARK behind them.

    The trainer takes as pieces what it sees before two different characters. A word that always ends there would never be one: of
    'Photograph' only 'hotograph' was.
    """
    names = sorted(counts)
    for name, after in zip(names, [*names[1:], ""], strict=True):
        yield f"{name}\t{counts[name]}"
        if len(name) > 1 and counts[name] >= MIN_FREQUENCY and not after.startswith(name):
            yield f"{name}{END_MARK}\t1"


def _pieces(model: Any, count: int) -> list[int]:
    """Return the numbers of at most `count` pieces: all characters, and the most probable of those without END_MARK."""
    names = {number: model.id_to_piece(number) for number in range(1, model.get_piece_size())}
    kept = [number for number, name in names.items() if END_MARK not in name]
    longer = sorted((number for number in kept if len(names[number]) > 1), key=lambda number: (model.get_score(number), -number))
    left_out = set(longer[: max(len(kept) - count, 0)])
    return [number for number in kept if number not in left_out]


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
