"""What a family of Hugging Face models is written like."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, final

import torch
from torch import Tensor

from groundup.core.errors import ArtifactError, ConfigError
from groundup.nn.config import ArchitectureConfig, ModelConfig
from groundup.nn.formats.changes import SAME, Change
from groundup.nn.formats.given import Given
from groundup.nn.head import head_factor
from groundup.nn.tensors import check_tensors, our_shapes

BACKGROUND: Final = frozenset({"init", "init_std", "mup_base_dim", "dropout", "attention_dropout"})
"""Settings that a trained model computes the same without."""


@dataclass(frozen=True)
class Ids:
    """Tokens with a role, which config.json names and a ModelConfig does not."""

    bos: int | None = None
    eos: int | None = None
    pad: int | None = None
    start: int | None = None
    """What the decoder of an encoder_decoder begins with."""


@dataclass(frozen=True)
class Row:
    """One of their tensors, and those of ours that it holds; 'N' in a name is the number of a block."""

    theirs: str
    ours: tuple[str, ...]
    change: Change = SAME

    def numbered(self, number: int) -> "Row":
        """Return the row of one block."""
        ours = tuple(name.replace(".N.", f".{number}.") for name in self.ours)
        return replace(self, theirs=self.theirs.replace(".N.", f".{number}."), ours=ours)


@dataclass(frozen=True)
class Rule:
    """What the sizes of a model must fulfil to fit a family."""

    holds: Callable[[ModelConfig], bool]
    words: str


SQUARE: Final = Rule(lambda config: config.inner_dim == config.dim, "num_heads * head_dim = dim")
WHOLE_HEADS: Final = Rule(lambda config: config.num_kv_heads == config.num_heads, "num_kv_heads = num_heads")
PLAIN_HEAD: Final = Rule(
    lambda config: head_factor(config.model_copy(update={"head_scale": False})) == 1, "init other than 'mup', or dim = mup_base_dim"
)


class Format(ABC):
    """One family, both ways: config.json and ModelConfig, their tensors and ours."""

    model_type: ClassVar[str]
    """The family's name in config.json."""
    settings_file: ClassVar[str] = "config.json"
    """Where the settings stand, as messages name it."""
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]]
    """Our settings -> values that the family can hold. What is neither here nor in `free` must be as ModelConfig has it unsaid."""
    free: ClassVar[frozenset[str]]
    """Our settings that config.json has a key for."""
    rules: ClassVar[tuple[Rule, ...]] = ()
    prefix: ClassVar[str] = ""
    """Before the names of all tensors but those of the head, where the model was saved with one."""
    head_names: ClassVar[tuple[str, ...]] = ("lm_head.",)
    """How names of the head begin."""
    old_names: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Patterns of names in old files, and what they are now."""
    ignored: ClassVar[tuple[str, ...]] = ()
    """Patterns of tensors that need not be read: constants, and heads for other tasks."""
    copies: ClassVar[Mapping[str, str]] = {}
    """Tensors that a file may hold twice: the other name -> the name in `rows`."""
    padding: ClassVar[int | None] = None
    """Token that the family takes for padding wherever it stands."""
    zeros: ClassVar[tuple[str, ...]] = ()
    """Tensors that a file may hold if they are zero, and so change nothing."""

    @abstractmethod
    def settings(self, given: Given) -> dict[str, Any]:
        """Return the settings that config.json describes; ConfigError for one that we lack."""

    @abstractmethod
    def keys(self, config: ModelConfig) -> dict[str, Any]:
        """Return the family's own keys of config.json, `architectures` among them."""

    @abstractmethod
    def rows(self, config: ModelConfig) -> Iterable[Row]:
        """Return which tensor of theirs holds which of ours."""

    @final
    def read_config(self, data: Mapping[str, Any]) -> ModelConfig:
        """Return the model that a config.json describes; ConfigError with key and value for what we cannot compute."""
        given = Given(data, self.model_type, self.settings_file)
        given.only(quantization_config=None)
        return ModelConfig.parse(self.settings(given), self.settings_file)

    @final
    def write_config(self, config: ModelConfig, ids: Ids | None = None) -> dict[str, Any]:
        """Return the config.json of a model; ConfigError if the family cannot hold it."""
        ids = ids or Ids()
        misfits = self.misfits(config)
        if misfits:
            raise ConfigError(f"the {self.model_type} format cannot hold this model: {'; '.join(misfits)}")
        written = {
            "model_type": self.model_type,
            "vocab_size": config.vocab_size,
            "tie_word_embeddings": config.tie_embeddings,
            "bos_token_id": ids.bos,
            "eos_token_id": ids.eos,
            "pad_token_id": ids.pad,
            "dtype": "float32",
            "torch_dtype": "float32",
            **self.keys(config),
        }
        return written | ({"decoder_start_token_id": ids.start} if config.num_encoder_layers else {})

    @final
    def misfits(self, config: ModelConfig) -> list[str]:
        """Return what keeps the model out of this family, in words; empty if it fits."""
        found = []
        for key, field in ArchitectureConfig.model_fields.items():
            allowed = self.fixed.get(key, (field.default,))
            if key not in self.free | BACKGROUND and getattr(config, key) not in allowed:
                found.append(f"model.{key}={getattr(config, key)!r}, not {' or '.join(map(repr, allowed))}")
        return found + [f"{rule.words} is needed" for rule in (PLAIN_HEAD, *self.rules) if not rule.holds(config)]

    @final
    def to_theirs(self, weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """Return the tensors of our state dict as the family's, each contiguous."""
        return {
            row.theirs: row.change.join([weights[name] for name in row.ours], config).contiguous()
            for row in expand(self.rows(config), config)
        }

    @final
    def to_ours(self, tensors: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
        """Return the state dict of our model, in the dtypes of the tensors.

        Raises ArtifactError that names the first of their tensors that is missing, unknown, or not what `config` asks for.
        """
        if len(tensors) < config.num_layers + config.num_encoder_layers:
            layers = config.num_layers + config.num_encoder_layers
            raise ArtifactError(f"{len(tensors)} tensors are too few for the {layers} layers that {self.settings_file} asks for")
        rows = expand(self.rows(config), config)
        named = self._settled(self._renamed(tensors), rows)
        shapes = our_shapes(config)
        wanted = {row.theirs: row.change.join([shapes[name] for name in row.ours], config) for row in rows}
        check_tensors(named, wanted, self.settings_file)
        ours: dict[str, Tensor] = {}
        for row in rows:
            ours |= zip(row.ours, row.change.split(named[row.theirs], config), strict=True)
        return {name: ours[name].contiguous() for name in shapes}

    def _renamed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors under the names of now, without those that are ignored."""
        bare = not any(name.startswith(self.prefix) for name in tensors)
        renamed = {}
        for given, tensor in tensors.items():
            name = self.prefix + given if bare and not given.startswith(self.head_names) else given
            for old, new in self.old_names:
                name = re.sub(old, new, name)
            if not any(re.search(pattern, name) for pattern in self.ignored):
                renamed[name] = tensor
        return renamed

    def _settled(self, named: dict[str, Tensor], rows: Sequence[Row]) -> dict[str, Tensor]:
        """Return the tensors without second copies; ArtifactError if copies differ."""
        own = {row.theirs for row in rows}
        for copy, name in self.copies.items():
            if copy not in named or copy in own:
                continue
            second = named.pop(copy)
            first = named.setdefault(name, second)
            alike = first.shape == second.shape and first.dtype == second.dtype
            if not (alike and torch.equal(first, second)):
                raise ArtifactError(f"tensors '{name}' and '{copy}' differ, but config.json ties them: one of the two is wrong")
        for name in self.zeros:
            if name in named and named.pop(name).any():
                raise ArtifactError(f"tensor '{name}' is not zero, and groundup's {self.model_type} models have no place for it")
        return named


def both(theirs: str, *ours: str, change: Change = SAME, bias: bool = True) -> list[Row]:
    """Return the rows of a module's weight and, unless told not to, bias."""
    ends = ("weight", "bias") if bias else ("weight",)
    return [Row(f"{theirs}.{end}", tuple(f"{name}.{end}" for name in ours), change) for end in ends]


def weight(theirs: str, *ours: str, change: Change = SAME) -> list[Row]:
    """Return the row of a module's weight."""
    return both(theirs, *ours, change=change, bias=False)


def expand(rows: Iterable[Row], config: ModelConfig) -> list[Row]:
    """Return the rows with those of blocks written out for each block of their stack."""
    written: list[Row] = []
    for row in rows:
        if ".N." in row.theirs:
            of_encoder = config.num_encoder_layers and row.ours[0].startswith("encoder.")
            layers = config.num_encoder_layers if of_encoder else config.num_layers
            written += [row.numbered(number) for number in range(layers)]
        else:
            written.append(row)
    return written
