"""Text continued token by token."""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

import torch

from groundup.core.errors import ConfigError
from groundup.nn.cache import KVCache
from groundup.nn.config import ModelConfig
from groundup.nn.sampling import Sampler
from groundup.nn.transformer import Inputs, Transformer


def generate(
    model: Transformer,
    prompt_ids: Sequence[int],
    max_new_tokens: int | None,
    sampler: Sampler,
    eos_id: int | None = None,
    *,
    use_cache: bool = True,
) -> Iterator[int]:
    """Return an iterator over new tokens as they are made: at most `max_new_tokens` (None: as many as fit), ending before `eos_id`.

    Raises ConfigError at once if the prompt is empty, holds a token outside the vocabulary, or is with the new tokens longer than
    the model's max_seq_len: positions beyond it were never trained, and a prompt whose start is forgotten would go unseen.
    """
    count = _checked_count(model.config, prompt_ids, max_new_tokens)
    weight = model.head.weight
    cache = KVCache(model.config, 1, len(prompt_ids) + count, weight.dtype, weight.device) if use_cache else None
    new_tokens = islice(_decode(model, list(prompt_ids), sampler, cache), count)
    return takewhile(lambda token: token != eos_id, new_tokens)


def _checked_count(config: ModelConfig, prompt_ids: Sequence[int], max_new_tokens: int | None) -> int:
    """Return how many tokens to make, or raise ConfigError (see `generate`)."""
    if not prompt_ids:
        raise ConfigError("the prompt has no tokens; give some text, or start from the end-of-document token")
    outside = [token for token in prompt_ids if not 0 <= token < config.vocab_size]
    if outside:
        raise ConfigError(f"token {outside[0]} of the prompt is outside the model's vocabulary of {config.vocab_size:,}")
    room = config.max_seq_len - len(prompt_ids)
    count = max(room, 1) if max_new_tokens is None else max_new_tokens
    if not 0 <= count <= room:
        way_out = (
            f"ask for 0 to {room} new tokens" if room > 0 else f"shorten the prompt to at most {config.max_seq_len - 1} tokens"
        )
        raise ConfigError(
            f"a prompt of {len(prompt_ids):,} tokens and {count:,} new ones do not fit the model's length of "
            f"{config.max_seq_len:,} tokens; {way_out}"
        )
    return count


def _decode(model: Transformer, tokens: list[int], sampler: Sampler, cache: KVCache | None) -> Iterator[int]:
    """Yield new tokens without end."""
    while True:
        unseen = tokens[cache.length :] if cache is not None else tokens
        tokens.append(sampler(_next_logits(model, unseen, cache)))
        yield tokens[-1]


@torch.inference_mode()
def _next_logits(model: Transformer, tokens: list[int], cache: KVCache | None) -> torch.Tensor:
    batch = torch.tensor([tokens], device=model.head.weight.device)
    return model.head(model.hidden(Inputs(batch), cache)[0, -1])  # type: ignore[no-any-return]
