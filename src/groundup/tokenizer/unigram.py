"""Unigram: the pieces that make the text most probable, with bytes for what they do not spell."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models

from groundup.artifacts.special_tokens import UNK_TOKEN
from groundup.core.errors import DataError
from groundup.tokenizer.words import count_words, frequent_characters, word_splitter

BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
CHARACTER_COVERAGE = 0.9995
"""Characters rarer than the last 0.05 % are spelled in bytes (the default of SentencePiece)."""
NUM_THREADS = 2
"""Sums are taken in as many parts, so it is part of the result."""
STANDS_FOR = str.maketrans({"\n": "\ue000", "\r": "\ue001", "\t": "\ue002"})
"""What the trainer reads instead of the characters that end its lines and columns."""
_BACK = str.maketrans({"\ue000": "\n", "\ue001": "\r", "\ue002": "\t", "▁": " "})


def train_unigram(texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str]) -> Any:
    """Return a tokenizer engine with at most `vocab_size` tokens: the special ones, the 256 bytes, then pieces (Kudo 2018).

    The trainer of SentencePiece is given the words and how often they occur, so the result depends on the texts alone, not on their
    order. Pieces hold spaces as they are: a sign that stands for them would not come back as itself.
    """
    fixed = (*special_tokens, *BYTE_TOKENS)
    pieces = _learn_pieces(count_words(texts), vocab_size - len(fixed))
    vocabulary = [*((name, 0.0) for name in fixed), *pieces]
    engine: Any = Tokenizer(models.Unigram(vocabulary, unk_id=fixed.index(UNK_TOKEN), byte_fallback=True))
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_tokens])
    engine.pre_tokenizer = word_splitter()
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return engine


def _learn_pieces(words: Counter[str], count: int) -> list[tuple[str, float]]:
    """Return at most `count` pieces with the logarithms of their probabilities."""
    characters: Counter[str] = Counter()
    for word, occurrences in words.items():
        for character in word:
            characters[character] += occurrences
    del characters["\0"]  # ends the trainer's strings
    alphabet = frozenset(frequent_characters(characters, (count + 1) // 2, CHARACTER_COVERAGE))
    lines = [f"{word.translate(STANDS_FOR)}\t{words[word]}" for word in sorted(words) if alphabet.issuperset(word)]
    if not lines:
        return []
    trained = sentencepiece.SentencePieceProcessor(model_proto=_train(iter(lines), count + 1))
    return [
        (trained.id_to_piece(number).translate(_BACK), trained.get_score(number)) for number in range(1, trained.get_piece_size())
    ]


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
