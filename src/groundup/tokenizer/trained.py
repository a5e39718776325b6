"""A tokenizer just learned, with the word of the library that it was learned with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trained:
    """The engine (tokenizers.Tokenizer), and whether the training library cuts a text so too."""

    engine: Any
    agrees: Callable[[str, list[int]], bool]
    """(text without special tokens, ids by the saved engine) -> whether the training library gives them, or ones as probable."""
