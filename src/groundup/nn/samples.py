"""What a model writes after given starts."""

from collections.abc import Sequence

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.seeds import derive_seed
from groundup.nn.config import GenerationConfig
from groundup.nn.generate import generate
from groundup.nn.prompts import encode_prompt
from groundup.nn.sampling import make_sampler
from groundup.nn.text import answer, filled_text
from groundup.nn.transformer import Transformer


def write_samples(
    model: Transformer,
    tokenizer: TextTokenizer,
    prompts: Sequence[str],
    num_tokens: int,
    seed: int,
    temperature: float = 0.7,
    top_p: float = 0.95,
    key: str = "evaluate.prompts",
) -> list[dict[str, str]]:
    """Return {"prompt", "text"} for each prompt, each with a random stream of its own.

    A sample is as long as the model has room for, if that is less than `num_tokens`. Raises ConfigError, which names the setting
    `key`, for a prompt that cannot be continued.
    """
    return [
        {"prompt": prompt, "text": _continue(model, tokenizer, prompt, num_tokens, _drawn(seed, i, temperature, top_p), key)}
        for i, prompt in enumerate(prompts)
    ]


def _drawn(seed: int, number: int, temperature: float, top_p: float) -> GenerationConfig:
    """Return how sample `number` is drawn."""
    top = top_p if temperature else None
    return GenerationConfig(temperature=temperature, top_p=top, seed=derive_seed(seed, "sample", number))


def _continue(
    model: Transformer, tokenizer: TextTokenizer, prompt: str, num_tokens: int, settings: GenerationConfig, key: str
) -> str:
    shape, model_len = model.config.shape, model.config.max_seq_len
    prompt_ids = encode_prompt(tokenizer, prompt, model_len, shape, key)
    if shape == "encoder":
        return filled_text(model, tokenizer, prompt_ids)
    start_ids = (tokenizer.start_id,) if shape == "encoder_decoder" else ()
    count = min(num_tokens, model_len - len(start_ids or prompt_ids))
    tokens = generate(model, prompt_ids, count, make_sampler(settings), tokenizer.eos_id, start_ids=start_ids)
    return tokenizer.decode_marked(list(answer(tokens, tokenizer, prompt_ids)))
