"""Text continued by a checkpoint."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.nn.beam import beam_search
from groundup.nn.config import GenerationConfig
from groundup.nn.device import resolve_device
from groundup.nn.generate import fill_masks, generate
from groundup.nn.load import load_model
from groundup.nn.precision import hold_weights
from groundup.nn.reordered import reordered
from groundup.nn.sampling import make_sampler
from groundup.nn.transformer import Transformer

NEW_TOKENS = 100
_INCOMPLETE = "\ufffd"
_CONTEXT = 8
"""Tokens of the prompt that decide how the first new one is written."""


def continue_text(checkpoint: Checkpoint, prompt: str, config: GenerationConfig, device: str) -> Iterator[str]:
    """Return an iterator over pieces of the text that follows `prompt`, as tokens are made; an empty prompt starts a document.

    Everything but the decoding is done at once, so that a bad setting is known before the first piece. A search along beams gives
    its text in one piece. An encoder-decoder reads the prompt as its source; an encoder gives the prompt with its masks filled in.
    """
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
    model = load_model(checkpoint, resolve_device(device))
    prompt_ids = tokenizer.encode_marked(checked_text(prompt))
    start_ids: tuple[int, ...] = ()
    if model.config.shape == "encoder":
        check_no_settings(config)
        return iter([filled_text(model, tokenizer, prompt_ids)])
    hold_weights(model, config.precision)
    model = reordered(model)
    if model.config.shape == "encoder_decoder":
        prompt_ids, start_ids = [*prompt_ids, *tokenizer.after_ids], (tokenizer.start_id,)
    count = config.max_new_tokens
    if count is None and model.config.max_seq_len - len(start_ids or prompt_ids) > NEW_TOKENS:
        count = NEW_TOKENS
    tokens = answer(_tokens(model, prompt_ids, count, config, tokenizer.eos_id, start_ids), tokenizer, prompt_ids)
    return until(pieces(tokens, tokenizer, [] if start_ids else prompt_ids), config.stop)


def answer(tokens: Iterator[int], tokenizer: TextTokenizer, prompt_ids: Sequence[int]) -> Iterator[int]:
    """Return the tokens up to the one that ends an answer about hidden spans: the sentinel after those of the prompt."""
    sentinels = [tokenizer.id_of(name) for name in tokenizer.special.sentinels]
    asked = [number for number, sentinel in enumerate(sentinels) if sentinel in prompt_ids]
    ends = sentinels[asked[-1] + 1 : asked[-1] + 2] if asked else []
    return takewhile(lambda token: token not in ends, tokens)


def check_no_settings(config: GenerationConfig) -> None:
    """Raise ConfigError if a setting of generation is said, which has no effect on an encoder."""
    idle = [name for name in config.model_fields_set if getattr(config, name) != GenerationConfig.model_fields[name].get_default()]
    if idle:
        names = ", ".join(sorted(idle))
        raise ConfigError(f"{names}: no effect on an encoder, which fills masks with the likeliest token; leave it out")


def filled_text(model: Transformer, tokenizer: TextTokenizer, prompt_ids: list[int]) -> str:
    """Return what an encoder makes of a prompt: each mask filled with the likeliest token; raise ConfigError if there is none."""
    ids = [*prompt_ids, *tokenizer.after_ids]
    if tokenizer.mask_id is None or tokenizer.mask_id not in ids:
        name = tokenizer.special.mask
        way_out = f"write {name} where a token is to be found" if name else "and its tokenizer has no mask; give another checkpoint"
        raise ConfigError(f"the prompt has no mask, and an encoder does nothing but fill masks: {way_out}")
    if len(ids) > model.config.max_seq_len:
        raise ConfigError(f"the prompt has {len(ids):,} tokens, the model reads at most {model.config.max_seq_len:,}; shorten it")
    found = iter(fill_masks(model, ids, tokenizer.mask_id, top=1))
    filled = [next(found)[0][0] if token == tokenizer.mask_id else token for token in ids]
    return tokenizer.decode(filled)


def _tokens(
    model: Transformer,
    prompt_ids: list[int],
    count: int | None,
    config: GenerationConfig,
    eos_id: int,
    start_ids: tuple[int, ...],
) -> Iterator[int]:
    if config.num_beams == 1:
        return generate(model, prompt_ids, count, make_sampler(config), eos_id, start_ids=start_ids)
    penalty = 1.0 if config.length_penalty is None else config.length_penalty
    best = beam_search(model, prompt_ids, count, config.num_beams, penalty, eos_id, start_ids=start_ids)[0]
    return iter(best.tokens)


def until(texts: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """Yield the pieces up to the first of `stops`; what may be the beginning of one waits for what follows."""
    held = ""
    for text in texts:
        held += text
        ends = [held.index(stop) for stop in stops if stop in held]
        if ends:
            if min(ends):
                yield held[: min(ends)]
            return
        keep = max((_overlap(held, stop) for stop in stops), default=0)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of the text begin `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-size:])), 0)


def checked_text(prompt: str) -> str:
    """Return the prompt; raise ConfigError if the bytes that it was given as are not UTF-8."""
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"the prompt is not UTF-8 text (character {error.start}); type it in a UTF-8 terminal") from None
    return prompt


def pieces(tokens: Iterator[int], tokenizer: TextTokenizer, before: Sequence[int] = ()) -> Iterator[str]:
    """Yield what each token adds to the text; a character whose bytes are not all there yet waits for the next token.

    `before` are the tokens that they follow: SentencePiece drops the space that a text begins with, and a token that goes
    on with one must keep its own.
    """
    known, waiting = list(before[-_CONTEXT:]), list[int]()
    for token in tokens:
        waiting.append(token)
        text = added(tokenizer, known, waiting)
        if not text.endswith(_INCOMPLETE):
            yield text
            known, waiting = waiting, []
    if waiting:
        yield added(tokenizer, known, waiting)


def added(tokenizer: TextTokenizer, known: list[int], new: list[int]) -> str:
    """Return the text of the new tokens where they follow the known ones."""
    return tokenizer.decode_marked([*known, *new])[len(tokenizer.decode_marked(known)) :]
