"""Text continued by a checkpoint."""

from collections.abc import Iterator

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.nn.device import resolve_device
from groundup.nn.generate import generate
from groundup.nn.load import load_model
from groundup.nn.sampling import Greedy, Sampler, make_sampler, refuse_idle

TEMPERATURE = 0.7
TOP_P = 0.95
NEW_TOKENS = 100
_INCOMPLETE = "\ufffd"


def continue_text(
    checkpoint: Checkpoint,
    prompt: str,
    *,
    greedy: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    max_new_tokens: int | None,
    device: str,
) -> Iterator[str]:
    """Return an iterator over pieces of the text that follows `prompt`, as tokens are made; an empty prompt starts a document.

    What is None is left to groundup: temperature 0.7, top_p 0.95, and as many new tokens as fit, at most 100.
    Everything but the decoding is done at once, so that a bad setting is known before the first piece.
    """
    sampler = choose_sampler(greedy, temperature, top_k, top_p, seed)
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    model = load_model(checkpoint, resolve_device(device))
    prompt_ids = [tokenizer.eos_id, *tokenizer.encode(checked_text(prompt))]
    if max_new_tokens is None and model.config.max_seq_len - len(prompt_ids) > NEW_TOKENS:
        max_new_tokens = NEW_TOKENS
    return pieces(generate(model, prompt_ids, max_new_tokens, sampler, tokenizer.eos_id), tokenizer)


def choose_sampler(greedy: bool, temperature: float | None, top_k: int | None, top_p: float | None, seed: int) -> Sampler:
    """Return the sampler of what was said; raise ConfigError if some of it would have no effect."""
    if greedy:
        refuse_idle("greedy", temperature=temperature, top_k=top_k, top_p=top_p)
        return Greedy()
    if temperature is None:
        temperature = TEMPERATURE
    if temperature and top_p is None:
        top_p = TOP_P
    return make_sampler(temperature, top_k, top_p, seed)


def checked_text(prompt: str) -> str:
    """Return the prompt; raise ConfigError if the bytes that it was given as are not UTF-8."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"the prompt is not UTF-8 text (character {error.start}); type it in a UTF-8 terminal") from None
    return prompt


def pieces(tokens: Iterator[int], tokenizer: TextTokenizer) -> Iterator[str]:
    """Yield the text of the tokens piece by piece; a character whose bytes are not all there yet waits for the next token."""
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        text = tokenizer.decode(waiting)
        if not text.endswith(_INCOMPLETE):
            yield text
            waiting = []
    if waiting:
        yield tokenizer.decode(waiting)
