"""Prompts on their way through a decoder: padding, cache, and the logits of what comes next."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from groundup.core.errors import ConfigError
from groundup.nn.cache import KVCache
from groundup.nn.config import ModelConfig
from groundup.nn.transformer import Inputs, Transformer

PADDING = 0
"""Token that fills shorter rows; it is a document of its own, so no token sees it."""


class Decoding:
    """Some prompts, continued together token by token; each gets the logits that it would get alone.

    In an encoder-decoder the prompts are the sources, and every decoder begins with `start_ids`; in a prefix decoder the prompts
    are the prefixes.
    """

    def __init__(
        self,
        model: Transformer,
        prompts: Sequence[Sequence[int]],
        new_tokens: int,
        start_ids: Sequence[int] = (),
        *,
        use_cache: bool = True,
    ) -> None:
        self._model = model
        weight = model.head.weight
        self._device = weight.device
        self._source = self._as_source(prompts) if model.config.shape == "encoder_decoder" else None
        rows = [list(start_ids)] * len(prompts) if self._source is not None else [list(prompt) for prompt in prompts]
        self._tokens, self._ids = pad_left(rows, self._device)
        if self._source is not None and self._source.document_ids is not None:
            self._ids = torch.ones_like(self._tokens)  # the document that the sources' own tokens are
        self._prompt_len = self._tokens.shape[1]
        length = self._prompt_len + new_tokens
        self._cache = KVCache(model.config, len(rows), length, cache_dtype(weight), self._device) if use_cache else None

    @torch.inference_mode()
    def start(self) -> Float[Tensor, "batch vocab"]:
        """Return the logits of the first new token of each row."""
        return self._whole()

    @torch.inference_mode()
    def step(self, tokens: Int[Tensor, " batch"]) -> Float[Tensor, "batch vocab"]:
        """Return the logits of the token after `tokens`, one of each row."""
        new = tokens[:, None]
        self._tokens = torch.cat((self._tokens, new), dim=1)
        new_ids = None
        if self._ids is not None:
            new_ids = torch.ones_like(new)
            self._ids = torch.cat((self._ids, new_ids), dim=1)
        if self._cache is None:
            return self._whole()
        return self._logits(Inputs(new, new_ids))

    def choose(self, rows: Int[Tensor, " new_batch"]) -> None:
        """Go on with these rows, in this order; a row may come several times."""
        self._tokens = self._tokens[rows]
        self._ids = None if self._ids is None else self._ids[rows]
        if self._source is not None:
            ids = self._source.document_ids
            self._source = Inputs(self._source.tokens[rows], None if ids is None else ids[rows])
        if self._cache is not None:
            self._cache.choose(rows)

    def _whole(self) -> Tensor:
        """Return the logits after all tokens so far; with a cache only in the beginning."""
        return self._logits(Inputs(self._tokens, self._ids, self._prefix(), source=self._source))

    def _logits(self, inputs: Inputs) -> Tensor:
        return self._model.head(self._model.hidden(inputs, self._cache)[:, -1]).float()  # type: ignore[no-any-return]

    def _prefix(self) -> Bool[Tensor, "batch seq"] | None:
        """Return what of the tokens is prompt, in a prefix decoder; what follows a prompt sees it whole anyway."""
        if self._model.config.shape != "prefix_decoder":
            return None
        return (torch.arange(self._tokens.shape[1], device=self._device) < self._prompt_len).expand(self._tokens.shape)

    def _as_source(self, prompts: Sequence[Sequence[int]]) -> Inputs:
        tokens, ids = pad_left([list(prompt) for prompt in prompts], self._device)
        return Inputs(tokens, ids)


def cache_dtype(weight: Tensor) -> torch.dtype:
    """Return the dtype of keys and values: on a CPU no narrower than float32, in which its attention is fastest."""
    return torch.promote_types(weight.dtype, torch.float32) if weight.device.type == "cpu" else weight.dtype


def pad_left(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"] | None]:
    """Return rows of tokens of one length, and the ids that part them from their padding (None: there is none)."""
    length = max(map(len, rows))
    tokens = torch.tensor([[PADDING] * (length - len(row)) + list(row) for row in rows], device=device)
    if all(len(row) == length for row in rows):
        return tokens, None
    places = torch.arange(length, device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return tokens, (places >= length - lengths[:, None]).long()


def checked_count(config: ModelConfig, prompt_ids: Sequence[int], max_new_tokens: int | None, start_ids: Sequence[int] = ()) -> int:
    """Return how many tokens can be made after a prompt: `max_new_tokens`, or for None as many as fit.

    Raises ConfigError if the prompt is empty, holds a token outside the vocabulary, or is with the new tokens longer than the
    model's max_seq_len: positions beyond it were never trained, and a prompt whose start is forgotten would go unseen.
    """
    both = config.shape == "encoder_decoder"
    if config.shape == "encoder":
        raise ConfigError("shape='encoder' predicts tokens inside a text, not after it; fill masked tokens instead")
    if not prompt_ids or (both and not start_ids):
        raise ConfigError("the prompt has no tokens; give some text, or start from the end-of-document token")
    outside = [token for token in (*prompt_ids, *start_ids) if not 0 <= token < config.vocab_size]
    if outside:
        raise ConfigError(f"token {outside[0]} of the prompt is outside the model's vocabulary of {config.vocab_size:,}")
    if both and len(prompt_ids) > config.max_seq_len:
        raise ConfigError(f"a source of {len(prompt_ids):,} tokens is longer than the model's {config.max_seq_len:,}; shorten it")
    length = len(start_ids) if both else len(prompt_ids)
    room = config.max_seq_len - length
    count = max(room, 1) if max_new_tokens is None else max_new_tokens
    if not 0 <= count <= room:
        way_out = (
            f"ask for 0 to {room} new tokens" if room > 0 else f"shorten the prompt to at most {config.max_seq_len - 1} tokens"
        )
        raise ConfigError(
            f"a prompt of {length:,} tokens and {count:,} new ones do not fit the model's length of "
            f"{config.max_seq_len:,} tokens; {way_out}"
        )
    return count
