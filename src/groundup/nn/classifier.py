"""A transformer that tells classes instead of tokens."""

from abc import ABC, abstractmethod
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from groundup.core.errors import ConfigError
from groundup.nn.config import ModelConfig, PoolingName
from groundup.nn.transformer import Inputs, Transformer


class Pooling(nn.Module, ABC):
    """What of a row's vectors the classes are told from."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

    @abstractmethod
    def forward(
        self, hidden: Float[Tensor, "batch seq dim"], real: Bool[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch places dim"]: ...


@final
class Mean(Pooling):
    """The mean over all tokens that are not padding."""

    def forward(self, hidden: Float[Tensor, "batch seq dim"], real: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch places dim"]:
        weights = (real / real.sum(1, keepdim=True)).to(hidden.dtype)
        return weights[:, None, :] @ hidden


@final
class First(Pooling):
    """The first token's vector."""

    def forward(self, hidden: Float[Tensor, "batch seq dim"], real: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch places dim"]:
        return hidden[:, :1]


@final
class FirstTanh(Pooling):
    """tanh(W x + b) of the first token's vector (Devlin et al. 2019, published code)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.dense = nn.Linear(config.dim, config.dim)

    def forward(self, hidden: Float[Tensor, "batch seq dim"], real: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch places dim"]:
        return torch.tanh(self.dense(hidden[:, :1]))


@final
class Last(Pooling):
    """The vector of the last token that is not padding: the one that has seen all others in a decoder."""

    def forward(self, hidden: Float[Tensor, "batch seq dim"], real: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch places dim"]:
        places = torch.arange(hidden.shape[1], device=hidden.device)
        last = (real * places).argmax(1)
        return hidden[torch.arange(len(hidden), device=hidden.device), last][:, None]


@final
class Each(Pooling):
    """Every token's own vector."""

    def forward(self, hidden: Float[Tensor, "batch seq dim"], real: Bool[Tensor, "batch seq"]) -> Float[Tensor, "batch places dim"]:
        return hidden


POOLINGS: Final[dict[PoolingName, type[Pooling]]] = {
    "mean": Mean,
    "first": First,
    "last": Last,
    "first_tanh": FirstTanh,
    "each": Each,
}


class ClassHead(nn.Linear):
    """One logit for each class; beside it, what a model's head has that this one does not need."""

    soft_cap: float | None = None

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__(dim, num_classes)
        self.features = nn.Identity()


class Classifier(nn.Module):
    """A model's last vectors, pooled, dropped out, and told apart by a linear head; the model's own head has no part.

    A row may end in padding, which is a document of its own; rows hold one document otherwise.
    """

    def __init__(self, model: Transformer, num_classes: int, pooling: PoolingName, dropout: float = 0.0) -> None:
        super().__init__()
        if model.config.shape == "encoder_decoder":
            raise ConfigError("shape='encoder_decoder' answers with text; take kind='text_to_text', or an encoder or decoder")
        self.model = model
        self.model.head.requires_grad_(False)
        self.pooling = POOLINGS[pooling](model.config)
        self.dropout = nn.Dropout(dropout)
        self.head = ClassHead(model.config.dim, num_classes)

    def init_head(self, generator: torch.Generator) -> None:
        """Draw the first weights of all that the model does not bring; the generator's device must be that of the weights."""
        for module in (*self.pooling.modules(), self.head):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=self.model.config.init_std, generator=generator)
                nn.init.zeros_(module.bias)

    def hidden(self, inputs: Inputs) -> Float[Tensor, "batch places dim"]:
        """Return the vectors that the head turns into logits."""
        ids = inputs.document_ids
        real = torch.ones_like(inputs.tokens, dtype=torch.bool) if ids is None else ids == ids[:, :1]
        return self.dropout(self.pooling(self.model.hidden(inputs), real))  # type: ignore[no-any-return]

    def forward(self, inputs: Inputs) -> Float[Tensor, "batch places classes"]:
        """Return the logits of the classes: of a whole row, or with pooling 'each' of every token."""
        return self.head(self.hidden(inputs))  # type: ignore[no-any-return]
