"""The tokenizer: tokenizer.json with the names of its special tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from tokenizers import Tokenizer as TokenizerEngine

from groundup.artifacts.artifact import Artifact
from groundup.core.errors import ArtifactError
from groundup.core.files import read_object

TOKENIZER_FILE = "tokenizer.json"
EOS_TOKEN = "<|endoftext|>"  # noqa: S105  the name of a token
MAX_TOKENIZER_BYTES = 256 << 20


class TextTokenizer:
    """Text to tokens and back, exactly; text that looks like a special token is ordinary text."""

    def __init__(self, engine: Any, origin: str) -> None:
        engine.encode_special_tokens = True
        eos_id = engine.token_to_id(EOS_TOKEN)
        if eos_id is None:
            raise ArtifactError(f"{origin}: has no token {EOS_TOKEN}, which ends documents")
        self._engine = engine
        self.eos_id: int = eos_id
        self.vocab_size: int = 1 + max(engine.get_vocab().values())
        """Rows that an embedding of these tokens needs: the largest id and one."""

    @classmethod
    def from_file(cls, path: Path) -> "TextTokenizer":
        """Read a tokenizer.json; raise ArtifactError if it is missing, too large or not one."""
        if not path.is_file():
            raise ArtifactError(f"{path}: missing; 'groundup tokenizer train' makes it")
        if path.stat().st_size > MAX_TOKENIZER_BYTES:
            raise ArtifactError(f"{path}: larger than {MAX_TOKENIZER_BYTES:,} bytes, so not a tokenizer")
        try:
            engine = TokenizerEngine.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise ArtifactError(f"{path}: not readable as a tokenizer ({error})") from None
        return cls(engine, str(path))

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._engine.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._engine.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens; special tokens are left out, bytes that are not UTF-8 become U+FFFD."""
        text: str = self._engine.decode(list(ids), skip_special_tokens=True)
        return text

    def token(self, token_id: int) -> str:
        """Return the vocabulary's own name of a token."""
        return str(self._engine.id_to_token(token_id))


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
