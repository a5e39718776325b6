"""Text continued by a checkpoint."""

from collections.abc import Iterator

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.nn.device import resolve_device
from groundup.nn.generate import generate
from groundup.nn.load import load_model
from groundup.nn.sampling import make_sampler

_INCOMPLETE = "\ufffd"


def continue_text(
    checkpoint: Checkpoint,
    prompt: str,
    temperature: float,
    top_k: int | None,
    top_p: float,
    seed: int,
    max_new_tokens: int | None,
    device: str,
) -> Iterator[str]:
    """Return an iterator over pieces of the text that follows `prompt`, as tokens are made; an empty prompt starts a document.

    Everything but the decoding is done at once, so that a bad setting is known before the first piece.
    """
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    model = load_model(checkpoint, resolve_device(device))
    prompt_ids = [tokenizer.eos_id, *tokenizer.encode(checked_text(prompt))]
    sampler = make_sampler(temperature, top_k, top_p, seed)
    return pieces(generate(model, prompt_ids, max_new_tokens, sampler, tokenizer.eos_id), tokenizer)


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
