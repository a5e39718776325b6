"""Text continued token by token."""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

import torch

from groundup.core.errors import ConfigError
from groundup.nn.decoding import Decoding, checked_count
from groundup.nn.sampling import Sampler
from groundup.nn.transformer import Inputs, Transformer


def generate(
    model: Transformer,
    prompt_ids: Sequence[int],
    max_new_tokens: int | None,
    sampler: Sampler,
    eos_id: int | None = None,
    *,
    start_ids: Sequence[int] = (),
    use_cache: bool = True,
) -> Iterator[int]:
    """Return an iterator over new tokens as they are made: at most `max_new_tokens` (None: as many as fit), ending before `eos_id`.

    In an encoder-decoder the prompt is the source, and what is made follows `start_ids`. Raises ConfigError at once for a prompt
    that cannot be continued (see `checked_count`).
    """
    count = checked_count(model.config, prompt_ids, max_new_tokens, start_ids)
    decoding = Decoding(model, [prompt_ids], count, start_ids, use_cache=use_cache)
    seen = [*start_ids] if model.config.shape == "encoder_decoder" else [*prompt_ids]
    return takewhile(lambda token: token != eos_id, islice(_tokens(decoding, sampler, seen, model), count))


def _tokens(decoding: Decoding, sampler: Sampler, seen: list[int], model: Transformer) -> Iterator[int]:
    """Yield new tokens without end."""
    logits = decoding.start()
    while True:
        seen.append(sampler(logits[0], seen))
        yield seen[-1]
        logits = decoding.step(torch.tensor(seen[-1:], device=model.head.weight.device))


def generate_batch(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int | None,
    samplers: Sequence[Sampler],
    eos_id: int | None = None,
    *,
    start_ids: Sequence[int] = (),
) -> list[list[int]]:
    """Return what follows each prompt, made together: the tokens that `generate` makes for it alone, up to rounding.

    Prompts may be of unequal lengths; the longest decides what fits (`max_new_tokens` None: as many as do). Each has a sampler,
    and so a random stream, of its own.
    """
    if len(samplers) != len(prompts) or not prompts:
        raise ConfigError(f"{len(prompts)} prompts and {len(samplers)} samplers: give at least one prompt, and a sampler for each")
    longest = max(prompts, key=len)
    count = checked_count(model.config, longest, max_new_tokens, start_ids)
    for prompt in prompts:
        checked_count(model.config, prompt, count, start_ids)
    decoding = Decoding(model, prompts, count, start_ids)
    both = model.config.shape == "encoder_decoder"
    seen = [list(start_ids if both else prompt) for prompt in prompts]
    made: list[list[int]] = [[] for _ in prompts]
    open_rows = set(range(len(prompts)))
    logits = decoding.start() if count else None
    for number in range(count):
        assert logits is not None
        chosen = [0] * len(prompts)
        for row in sorted(open_rows):
            chosen[row] = samplers[row](logits[row], seen[row])
            seen[row].append(chosen[row])
            if chosen[row] == eos_id:
                open_rows.remove(row)
            else:
                made[row].append(chosen[row])
        if not open_rows or number + 1 == count:
            break
        logits = decoding.step(torch.tensor(chosen, device=logits.device))
    return made


@torch.inference_mode()
def fill_masks(model: Transformer, tokens: Sequence[int], mask_id: int, top: int = 5) -> list[list[tuple[int, float]]]:
    """Return for each masked token the `top` likeliest tokens with their probabilities, likeliest first.

    Raises ConfigError if the model is no encoder, or nothing is masked.
    """
    if model.config.shape != "encoder":
        raise ConfigError(f"shape='{model.config.shape}' predicts what follows; masked tokens are filled by an encoder")
    places = [place for place, token in enumerate(tokens) if token == mask_id]
    if not places:
        raise ConfigError(f"no token of the text is the mask (token {mask_id}); put one where a token is to be found")
    if not 1 <= top <= model.config.vocab_size:
        raise ConfigError(f"top={top} must be from 1 to the vocabulary's {model.config.vocab_size:,}")
    batch = torch.tensor([list(tokens)], device=model.head.weight.device)
    hidden = model.hidden(Inputs(batch))[0, places]
    probs, ids = torch.softmax(model.head(hidden).float(), dim=-1).topk(top)
    return [list(zip(*pair, strict=True)) for pair in zip(ids.tolist(), probs.tolist(), strict=True)]
