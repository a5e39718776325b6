"""Text continued by a checkpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from groundup.artifacts.checkpoint import Checkpoint
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.nn.beam import beam_search
from groundup.nn.config import GenerationConfig
from groundup.nn.device import resolve_device
from groundup.nn.generate import fill_masks, generate, generate_batch
from groundup.nn.load import load_model
from groundup.nn.precision import hold_weights
from groundup.nn.reordered import reordered
from groundup.nn.sampling import make_sampler
from groundup.nn.transformer import Transformer

NEW_TOKENS = 100
_INCOMPLETE = "\ufffd"
_CONTEXT = 8
"""Tokens of the prompt that decide how the first new one is written."""


@dataclass(frozen=True)
class Ready:
    """A checkpoint with which text can be written."""

    model: Transformer
    tokenizer: TextTokenizer
    start_ids: tuple[int, ...]
    """What a decoder that reads a source begins with; empty in other shapes."""

    @classmethod
    def of(cls, checkpoint: Checkpoint, config: GenerationConfig, device: str) -> "Ready":
        """Load the checkpoint; raise ConfigError for a setting that has no effect on it."""
        tokenizer = TextTokenizer.from_file(checkpoint.tokenizer_file)
        model = load_model(checkpoint, resolve_device(device))
        if model.config.shape == "encoder":
            check_no_settings(config)
            return cls(model, tokenizer, ())
        hold_weights(model, config.precision)
        start_ids = (tokenizer.start_id,) if model.config.shape == "encoder_decoder" else ()
        return cls(reordered(model), tokenizer, start_ids)

    def encoded(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt; an encoder-decoder's has an end."""
        ids = self.tokenizer.encode_marked(checked_text(prompt))
        return [*ids, *self.tokenizer.after_ids] if self.start_ids else ids

    def count(self, prompts: Sequence[Sequence[int]], config: GenerationConfig) -> int | None:
        """Return how many tokens are to be made: those asked for, else 100, or None for as many as fit."""
        longest = len(self.start_ids) or max(map(len, prompts))
        if config.max_new_tokens is None and self.model.config.max_seq_len - longest > NEW_TOKENS:
            return NEW_TOKENS
        return config.max_new_tokens

    def text(self, tokens: Iterator[int], prompt_ids: Sequence[int], stop: Sequence[str]) -> Iterator[str]:
        """Yield pieces of the text of new tokens, up to what ends it."""
        made = answer(tokens, self.tokenizer, prompt_ids)
        return until(pieces(made, self.tokenizer, [] if self.start_ids else prompt_ids), stop)


def continue_text(checkpoint: Checkpoint, prompt: str, config: GenerationConfig, device: str) -> Iterator[str]:
    """Return an iterator over pieces of the text that follows `prompt`, as tokens are made; an empty prompt starts a document.

    Everything but the decoding is done at once, so that a bad setting is known before the first piece. A search along beams gives
    its text in one piece. An encoder-decoder reads the prompt as its source; an encoder gives the prompt with its masks filled in.
    """
    ready = Ready.of(checkpoint, config, device)
    prompt_ids = ready.encoded(prompt)
    if ready.model.config.shape == "encoder":
        return iter([filled_text(ready.model, ready.tokenizer, prompt_ids)])
    tokens = _tokens(ready, prompt_ids, ready.count([prompt_ids], config), config)
    return ready.text(tokens, prompt_ids, config.stop)


def continue_texts(checkpoint: Checkpoint, prompts: Sequence[str], config: GenerationConfig, device: str) -> list[str]:
    """Return what follows each prompt, decoded together: the text that it gets alone, up to rounding.

    The longest prompt decides how many tokens fit. Beams are searched for one prompt after the other.
    """
    if not prompts:
        raise ConfigError("no prompt; give at least one")
    ready = Ready.of(checkpoint, config, device)
    model, ids = ready.model, [ready.encoded(prompt) for prompt in prompts]
    if model.config.shape == "encoder":
        return [filled_text(model, ready.tokenizer, prompt_ids) for prompt_ids in ids]
    count = ready.count(ids, config)
    if config.num_beams > 1:
        made = [_tokens(ready, prompt_ids, count, config) for prompt_ids in ids]
    else:
        samplers = [make_sampler(config) for _ in ids]
        rows = generate_batch(model, ids, count, samplers, ready.tokenizer.eos_id, start_ids=ready.start_ids)
        made = [iter(row) for row in rows]
    return ["".join(ready.text(tokens, prompt_ids, config.stop)) for tokens, prompt_ids in zip(made, ids, strict=True)]


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


def _tokens(ready: Ready, prompt_ids: list[int], count: int | None, config: GenerationConfig) -> Iterator[int]:
    eos_id, start_ids = ready.tokenizer.eos_id, ready.start_ids
    if config.num_beams == 1:
        return generate(ready.model, prompt_ids, count, make_sampler(config), eos_id, start_ids=start_ids)
    penalty = 1.0 if config.length_penalty is None else config.length_penalty
    best = beam_search(ready.model, prompt_ids, count, config.num_beams, penalty, eos_id, start_ids=start_ids)[0]
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
