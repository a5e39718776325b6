"""The tokenizer: tokenizer.json, and special_tokens.json with the names of its special tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from tokenizers import Tokenizer as TokenizerEngine

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.special_tokens import SPECIAL_TOKENS_FILE, SpecialNames
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object

TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_FILES = (TOKENIZER_FILE, SPECIAL_TOKENS_FILE)
"""What a checkpoint takes along of its tokenizer."""
EXTENSION_FILE = "extension.json"
"""What an extended tokenizer's new tokens stand for."""
MAX_TOKENIZER_BYTES = 256 << 20


class TextTokenizer:
    """Text to tokens and back; text that looks like a special token is ordinary text.

    Byte-level BPE, and Unigram that falls back to bytes, give back exactly the text; WordPiece does not.
    """

    def __init__(self, engine: Any, special: SpecialNames, origin: str) -> None:
        engine.encode_special_tokens = True
        self._engine = engine
        self._origin = origin
        self.special = special
        for name in special.all():
            self.id_of(name)
        self.eos_id = self.id_of(special.eos)
        """Ends every document."""
        self.before_ids = [self.id_of(name) for name in special.before]
        """Stand before a text that a model reads."""
        self.opening_id = self.before_ids[-1] if self.before_ids else self.eos_id
        """What the first token of a text is predicted from."""
        self.after_ids = [self.id_of(name) for name in special.after]
        """Stand after a text that an encoder reads."""
        self.start_id = self.id_of(special.start) if special.start is not None else self.eos_id
        """What the decoder of an encoder-decoder reads first."""
        self.pad_id = self.id_of(special.pad) if special.pad is not None else self.eos_id
        """Fills rows, and is never looked at."""
        self.mask_id = self.id_of(special.mask) if special.mask is not None else None
        """Stands for a token that is to be predicted."""
        self.vocab_size: int = 1 + max(engine.get_vocab().values())
        """Rows that an embedding of these tokens needs: the largest id and one."""

    @classmethod
    def from_file(cls, path: Path) -> "TextTokenizer":
        """Read tokenizer.json and special_tokens.json beside it; raise ArtifactError if one is missing, too large or damaged."""
        return cls(read_engine(path), SpecialNames.from_file(path.with_name(SPECIAL_TOKENS_FILE)), str(path))

    def id_of(self, name: str) -> int:
        """Return the id of the token with this name; raise ArtifactError if there is none."""
        token_id: int | None = self._engine.token_to_id(name)
        if token_id is None:
            raise ArtifactError(f"{self._origin}: has no token '{name}', which {SPECIAL_TOKENS_FILE} names")
        return token_id

    @property
    def engine(self) -> Any:
        """The tokenizer of the library `tokenizers`."""
        return self._engine

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._engine.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._engine.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens; special tokens are left out, bytes that are not UTF-8 become U+FFFD."""
        text: str = self._engine.decode(list(ids), skip_special_tokens=True)
        return text

    def encode_marked(self, text: str) -> list[int]:
        """Return what a model reads of a text, in which the names of mask, sentinels, modes and fill tokens stand for those tokens.

        It begins as texts do for this tokenizer, unless with a mode, which takes that place. A mask or sentinel takes the space
        before it along, as the words that it stands for do.
        """
        marks = self.special.marks()
        parts = re.split("(" + "|".join(map(re.escape, marks)) + ")", text) if marks else [text]
        hidden = {self.special.mask, *self.special.sentinels}
        parts = [part.removesuffix(" ") if after in hidden else part for part, after in zip(parts, [*parts[1:], None], strict=True)]
        ids = [token for part in parts for token in ([self.id_of(part)] if part in marks else self.encode(part))]
        opened = bool(ids) and ids[0] in {self.id_of(name) for name in self.special.modes.values()}
        return ids if opened else [*self.before_ids, *ids]

    def decode_marked(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens, with mask, sentinels, modes and fill tokens by name."""
        marks = {self.id_of(name): name for name in self.special.marks()}
        text, run = "", list[int]()
        for token in ids:
            if token in marks:
                text, run = text + self.decode(run) + marks[token], []
            else:
                run.append(token)
        return text + self.decode(run)

    def token(self, token_id: int) -> str:
        """Return the vocabulary's own name of a token."""
        return str(self._engine.id_to_token(token_id))


def read_engine(path: Path) -> Any:
    """Return the engine (tokenizers.Tokenizer) of a tokenizer.json; raise ArtifactError if it is missing, too large or not one."""
    if not path.is_file():
        raise ArtifactError(f"{path}: missing; 'groundup tokenizer train' makes it")
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise ArtifactError(f"{path}: larger than {MAX_TOKENIZER_BYTES:,} bytes, so not a tokenizer")
    try:
        return TokenizerEngine.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ArtifactError(f"{path}: not readable as a tokenizer ({error})") from None


@dataclass(frozen=True)
class Tokenizer(Artifact):
    """The tokenizer stage's artifact."""

    kind: ClassVar[str] = "tokenizer"

    @property
    def file(self) -> Path:
        return self.path / TOKENIZER_FILE

    @cached_property
    def text(self) -> TextTokenizer:
        return TextTokenizer.from_file(self.file)

    @property
    def facts(self) -> dict[str, Any]:
        """What the training found: fertility, bytes per token."""
        return read_object(self.path / "facts.json")

    @property
    def new_pieces(self) -> dict[int, tuple[int, ...]]:
        """New id -> the old ids that spelled it, of a tokenizer that was extended; of any other empty."""
        if not (self.path / EXTENSION_FILE).is_file():
            return {}
        return {token["id"]: tuple(token["pieces"]) for token in read_object(self.path / EXTENSION_FILE)["tokens"]}

    def summary(self) -> str:
        """Return its size, and how well it fits the held-out text where that was measured."""
        size, fit = f"{self.facts['vocab_size']:,} tokens", self.facts.get("bytes_per_token")
        return size if fit is None else f"{size}, {fit:.2f} bytes a token on held-out text"
