"""What the model writes after given starts."""

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.seeds import derive_seed
from groundup.evaluate.config import EvaluateConfig
from groundup.evaluate.prompts import encode_prompt
from groundup.nn.config import GenerationConfig
from groundup.nn.generate import generate
from groundup.nn.sampling import make_sampler
from groundup.nn.text import answer, filled_text
from groundup.nn.transformer import Transformer


def write_samples(model: Transformer, tokenizer: TextTokenizer, config: EvaluateConfig, seed: int) -> list[dict[str, str]]:
    """Return {"prompt", "text"} for each prompt of the config, each with a random stream of its own.

    A sample is as long as the model has room for, if that is less than `sample_tokens`.
    """
    return [
        {"prompt": prompt, "text": _continue(model, tokenizer, prompt, config, derive_seed(seed, "sample", i))}
        for i, prompt in enumerate(config.prompts)
    ]


def _continue(model: Transformer, tokenizer: TextTokenizer, prompt: str, config: EvaluateConfig, seed: int) -> str:
    prompt_ids = encode_prompt(tokenizer, prompt, model.config.max_seq_len, model.config.shape)
    shape = model.config.shape
    if shape == "encoder":
        return filled_text(model, tokenizer, prompt_ids)
    start_ids = (tokenizer.start_id,) if shape == "encoder_decoder" else ()
    room = model.config.max_seq_len - len(start_ids or prompt_ids)
    settings = GenerationConfig(temperature=config.temperature, top_p=config.top_p if config.temperature else None, seed=seed)
    count = min(config.sample_tokens, room)
    tokens = generate(model, prompt_ids, count, make_sampler(settings), tokenizer.eos_id, start_ids=start_ids)
    return tokenizer.decode_marked(list(answer(tokens, tokenizer, prompt_ids)))
