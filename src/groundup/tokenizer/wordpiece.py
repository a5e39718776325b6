"""WordPiece: the beginnings of words, and what goes on with them ('##ing')."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from groundup.artifacts.special_tokens import UNK_TOKEN
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.trained import Trained
from groundup.tokenizer.words import frequent_characters

CONTINUATION = "##"
MIN_FREQUENCY = 2
CHARACTER_SHARE = 4
"""At most one token in so many is the beginning of a word of one letter; as many may go on with one."""


def train_wordpiece(
    texts: Iterable[str],
    vocab_size: int,
    special_tokens: Sequence[str],
    preparation: Preparation = Preparation(),  # noqa: B008  frozen
) -> Trained:
    """Return a tokenizer with at most `vocab_size` tokens: the special ones, characters, then merges.

    `texts` are read twice: for their characters, and for the merges. Words are cut as for BERT (Devlin et al. 2019), but case and
    accents are kept, except what `preparation` normalises. A word with a character that is too rare for the vocabulary is
    unknown as a whole. The result depends on the texts alone: the ids of all characters are given, since the trainer would number
    them as its hash table has them.
    """
    engine = _engine(models.WordPiece(unk_token=UNK_TOKEN), preparation)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(engine.normalizer.normalize_str(text))
    del counts[" "]
    alphabet = frequent_characters(counts, (vocab_size - len(special_tokens)) // CHARACTER_SHARE)
    going_on = [CONTINUATION + character for character in alphabet if _can_go_on(engine, character)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_FREQUENCY,
        special_tokens=[*special_tokens, *alphabet, *going_on],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer=trainer)
    trained = _engine(models.WordPiece(engine.get_vocab(), unk_token=UNK_TOKEN), preparation)
    trained.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special_tokens])
    trained.encode_special_tokens = True
    return Trained(trained, lambda text, ids: trained.encode(text, add_special_tokens=False).ids == ids)


def _engine(model: Any, preparation: Preparation) -> Any:
    engine: Any = Tokenizer(model)
    plain = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    engine.normalizer = plain if preparation.normaliser is None else normalizers.Sequence([preparation.normaliser, plain])
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(prefix=CONTINUATION, cleanup=False)
    return engine


def _can_go_on(engine: Any, character: str) -> bool:
    """Return whether the character can stand inside a word; signs and Chinese characters are words by themselves."""
    return len(engine.pre_tokenizer.pre_tokenize_str(engine.normalizer.normalize_str(character * 2))) == 1
