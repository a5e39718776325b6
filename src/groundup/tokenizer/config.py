"""The settings of a tokenizer."""

from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from groundup.artifacts.special_tokens import UNK_TOKEN, ChatNames, FillNames, SpecialNames
from groundup.core.config import Config

NUM_BYTES = 256
MODES: Final = ("R", "S", "X")
"""Regular, sequential and extreme denoising (Tay et al. 2022)."""
TrainedAlgorithm = Literal["bpe", "wordpiece", "unigram"]
Algorithm = Literal[TrainedAlgorithm, "import", "extend"]
NormalisationName = Literal["none", "nfc", "nfkc", "lower", "nfkc_lower"]
PreTokenizerName = Literal["digits", "gpt2", "gpt4", "gpt4o", "whitespace"]
IN_GGUF: Final = ("digits", "gpt2", "gpt4")
"""Cuts that llama.cpp has a name for."""
CHAT: Final = ("system", "user", "assistant", "tool", "end")
TRAINING_KEYS: Final = ("vocab_size", "normalisation", "pre_tokenizer", "special")


class SpecialConfig(Config):
    """The special tokens that a tokenizer is trained with, beside the end of documents; objectives need them."""

    pad: bool = Field(default=False, description="a token of its own fills rows; else the end of documents does")
    mask: bool = Field(default=False, description="stands for a token that is to be predicted (masked, denoising)")
    sep: bool = Field(default=False, description="stands between two texts")
    sentinels: int = Field(default=0, ge=0, le=1000, description="stand for hidden spans (span corruption, mixture)")
    modes: tuple[Literal["R", "S", "X"], ...] = Field(default=(), description="open the sources of a mixture's denoisers")
    fill: bool = Field(default=False, description="stand before prefix, suffix and middle (fill in the middle)")
    chat: bool = Field(default=False, description="roles and ends of turns, for instruction tuning later")

    @model_validator(mode="after")
    def _check_modes(self) -> Self:
        if len(set(self.modes)) < len(self.modes):
            raise ValueError(f"tokenizer.special.modes={list(self.modes)} names a mode twice")
        return self

    @property
    def names(self) -> SpecialNames:
        return SpecialNames(
            pad="<|pad|>" if self.pad else None,
            mask="<|mask|>" if self.mask else None,
            sep="<|sep|>" if self.sep else None,
            sentinels=tuple(f"<|extra_id_{number}|>" for number in range(self.sentinels)),
            modes={mode: f"<|{mode}|>" for mode in self.modes},
            fill=FillNames(prefix="<|fim_prefix|>", suffix="<|fim_suffix|>", middle="<|fim_middle|>") if self.fill else None,
            chat=ChatNames.model_validate({part: f"<|{part}|>" for part in CHAT}) if self.chat else None,
        )


class TokenizerConfig(Config):
    """A tokenizer trained on the curated text, or one that is there already."""

    algorithm: Algorithm = Field(
        default="bpe",
        description="bpe (byte-level) and unigram give every UTF-8 text exact tokens, wordpiece does not; import reads path, "
        "extend adds new_tokens to it",
    )
    vocab_size: int = Field(default=4096, ge=257, le=1 << 24, description="tokens, the bytes and the special ones included")
    sample_bytes: int = Field(default=100_000_000, gt=0, description="text that tokens are learned from, at most [bytes]")
    normalisation: NormalisationName = Field(
        default="none", description="what is done to text first; all but none lose the way back to the bytes of some texts"
    )
    pre_tokenizer: PreTokenizerName = Field(
        default="digits",
        description="what a token of bpe or unigram may span: words, and digits one by one, or as gpt2, gpt4 (digits in threes), "
        "gpt4o, or all between white space",
    )
    special: SpecialConfig = SpecialConfig()
    path: Path | None = Field(
        default=None, description="file or folder of the tokenizer to import or extend; relative to the recipe"
    )
    new_tokens: int = Field(default=0, ge=0, le=1 << 20, description="tokens that extend adds at most")

    @model_validator(mode="after")
    def _check_import(self) -> Self:
        given = self.algorithm in ("import", "extend")
        if given != (self.path is not None):
            raise ValueError(
                f"tokenizer.algorithm='{self.algorithm}' with tokenizer.path={self.path}: 'import' and 'extend' need the path of a "
                "tokenizer, and nothing else reads one"
            )
        if (self.algorithm == "extend") != (self.new_tokens > 0):
            raise ValueError(
                f"tokenizer.algorithm='{self.algorithm}' with tokenizer.new_tokens={self.new_tokens}: 'extend' needs to know how "
                "many tokens to add, and nothing else adds any"
            )
        keys = (*TRAINING_KEYS, *(["sample_bytes"] if self.algorithm == "import" else []))
        idle = [name for name in keys if getattr(self, name) != _default(name)]
        if given and idle:
            raise ValueError(f"tokenizer.{idle[0]} has no effect on an imported tokenizer; remove it, or train one")
        return self

    @model_validator(mode="after")
    def _check_cut(self) -> Self:
        if self.algorithm == "wordpiece" and self.pre_tokenizer != _default("pre_tokenizer"):
            raise ValueError(
                f"tokenizer.pre_tokenizer='{self.pre_tokenizer}' has no effect with tokenizer.algorithm='wordpiece', which cuts "
                "as BERT does; remove it, or take bpe or unigram"
            )
        if self.algorithm == "unigram" and self.pre_tokenizer == "whitespace":
            raise ValueError(
                "tokenizer.pre_tokenizer='whitespace' with tokenizer.algorithm='unigram': a text could spell the name of a special "
                "token in one piece; take bpe, or another pre_tokenizer"
            )
        return self

    @model_validator(mode="after")
    def _check_room(self) -> Self:
        needed = len(self.special_names.distinct()) + (NUM_BYTES if self.algorithm in ("bpe", "unigram") else 0)
        if self.vocab_size < needed:
            raise ValueError(
                f"tokenizer.vocab_size={self.vocab_size:,} is too small for the bytes that tokenizer.algorithm='{self.algorithm}' "
                f"begins with and the special tokens of tokenizer.special, {needed:,} in all; raise it, or take fewer of those"
            )
        return self

    @property
    def special_names(self) -> SpecialNames:
        """Return the special tokens; all but byte-level BPE have one for the unknown, which Unigram never uses."""
        names = self.special.names
        return names if self.algorithm == "bpe" else names.model_copy(update={"unk": UNK_TOKEN})


def _default(name: str) -> Any:
    return TokenizerConfig.model_fields[name].default
