"""Every kind of tokenizer that can be trained, by name."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from groundup.tokenizer.bpe import train_bpe
from groundup.tokenizer.config import Algorithm
from groundup.tokenizer.preparation import Preparation
from groundup.tokenizer.trained import Trained
from groundup.tokenizer.unigram import train_unigram
from groundup.tokenizer.wordpiece import train_wordpiece

Trainer = Callable[[Iterable[str], int, Sequence[str], Preparation], Trained]
"""(texts, which may be read twice; most tokens; names of the special ones, whose ids come first; how text is cut)."""

TRAINERS: Final[dict[Algorithm, Trainer]] = {
    "bpe": train_bpe,
    "wordpiece": train_wordpiece,
    "unigram": train_unigram,
}
