"""The names of a tokenizer's special tokens, by what each does."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, model_validator

from groundup.core.config import Config
from groundup.core.files import read_object

SPECIAL_TOKENS_FILE = "special_tokens.json"
EOS_TOKEN = "<|endoftext|>"  # noqa: S105  the name of a token
UNK_TOKEN = "<|unk|>"  # noqa: S105


class FillNames(Config):
    """What stands before the parts of a document whose middle is to be filled in (Bavarian et al. 2022)."""

    prefix: str
    suffix: str
    middle: str


class ChatNames(Config):
    """What makes a conversation of texts: who speaks, before each turn, and the end of a turn."""

    system: str
    user: str
    assistant: str
    tool: str
    end: str

    def names(self) -> tuple[str, ...]:
        return self.system, self.user, self.assistant, self.tool, self.end


class SpecialNames(Config):
    """Which tokens are not text, and what they are for; the contents of special_tokens.json."""

    eos: str = EOS_TOKEN
    """Ends every document."""
    before: tuple[str, ...] = (EOS_TOKEN,)
    """Stand before a text that a model reads: groundup's own models begin with eos, BERT's with [CLS], Llama's with <s>."""
    after: tuple[str, ...] = ()
    """Stand after a text that an encoder reads: BERT's [SEP], T5's </s>."""
    start: str | None = None
    """What the decoder of an encoder-decoder reads first; None: eos."""
    pad: str | None = None
    unk: str | None = None
    mask: str | None = None
    sep: str | None = None
    """Stands between two texts."""
    sentinels: tuple[str, ...] = ()
    """Stand for hidden spans, the first for the first (T5's <extra_id_0>, ...)."""
    modes: dict[str, str] = Field(default_factory=dict)
    """Mode of a denoiser -> what opens its sources (UL2's [NLU] for R, [S2S] for S, [NLG] for X)."""
    fill: FillNames | None = None
    chat: ChatNames | None = None

    @model_validator(mode="after")
    def _check_own_places(self) -> "SpecialNames":
        hidden = [*self.sentinels, *self.modes.values(), *([self.mask] if self.mask else [])]
        hidden += self.chat.names() if self.chat is not None else ()
        twice = next((name for name in hidden if hidden.count(name) > 1 or name == self.eos), None)
        if twice is not None:
            raise ValueError(f"token '{twice}' has two parts to play; eos, mask, sentinels, modes and chat need one each")
        return self

    @classmethod
    def from_file(cls, path: Path) -> "SpecialNames":
        """Read special_tokens.json; raise ArtifactError or ConfigError if it is missing or damaged."""
        return cls.parse(read_object(path), str(path))

    def marks(self) -> tuple[str, ...]:
        """Return the names that stand for something in a text: mask, sentinels, modes, and the tokens of filling in."""
        fill = (self.fill.prefix, self.fill.suffix, self.fill.middle) if self.fill is not None else ()
        return (*((self.mask,) if self.mask is not None else ()), *self.sentinels, *self.modes.values(), *fill)

    def all(self) -> Iterator[str]:
        """Yield every name, some more than once."""
        yield self.eos
        yield from (*self.before, *self.after, *self.sentinels, *self.modes.values())
        yield from (name for name in (self.start, self.pad, self.unk, self.mask, self.sep) if name is not None)
        if self.fill is not None:
            yield from (self.fill.prefix, self.fill.suffix, self.fill.middle)
        if self.chat is not None:
            yield from self.chat.names()

    def distinct(self) -> tuple[str, ...]:
        """Return every name once, eos first."""
        return tuple(dict.fromkeys(self.all()))
