"""Greedy decoding with a cache against `transformers.generate` on the same weights, in turn, in one run.

    python benchmarks/decode_speed.py [--rounds 5] [--shape 12M|124M]

Random weights of a Llama; prompt 64 tokens, 64 new ones, bfloat16 weights (ours reordered, as `groundup generate` has them), two
threads.
Prints tokens per second of both, prefill included, and the median of the ratios (above 1, ours is faster).
"""

import argparse
import statistics
import sys
import time
from typing import Any

import torch
import transformers

from groundup.nn.config import ModelConfig
from groundup.nn.formats import FORMATS
from groundup.nn.generate import generate_batch
from groundup.nn.precision import hold_weights
from groundup.nn.reordered import reordered
from groundup.nn.sampling import Greedy
from groundup.nn.transformer import Transformer, build_model

SHAPES = {
    "12M": {"vocab_size": 8192, "dim": 384, "num_layers": 6, "num_heads": 6, "ffn_dim": 1024},
    "124M": {"vocab_size": 50304, "dim": 768, "num_layers": 12, "num_heads": 12, "ffn_dim": 2048},
}
RUNS = {"12M": (1, 16), "124M": (1,)}
PROMPT, NEW = 64, 64


def pair(shape: str) -> tuple[Transformer, Any]:
    """Return both models with the same weights in bfloat16."""
    config = ModelConfig.model_validate({**SHAPES[shape], "num_kv_heads": SHAPES[shape]["num_heads"], "max_seq_len": 256})
    ours = build_model(config)
    ours.init_weights(torch.Generator().manual_seed(0))
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**FORMATS["llama"].write_config(config)))
    theirs.load_state_dict(FORMATS["llama"].to_theirs(ours.state_dict(), config), strict=False)
    hold_weights(ours, "bf16")
    return reordered(ours.eval()), theirs.bfloat16().eval()  # type: ignore[no-untyped-call]


def seconds(model: Any, prompts: torch.Tensor) -> float:
    """Return the time of one call."""
    start_s = time.perf_counter()
    if isinstance(model, Transformer):
        generate_batch(model, prompts.tolist(), NEW, [Greedy() for _ in prompts])
    else:
        mask = torch.ones_like(prompts)
        model.generate(
            prompts, attention_mask=mask, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    return time.perf_counter() - start_s


def main() -> None:
    """Time both in turn and print speeds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", choices=SHAPES, action="append")
    given = parser.parse_args()
    torch.set_num_threads(2)
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    for shape in given.shape or SHAPES:
        ours, theirs = pair(shape)
        for batch in RUNS[shape]:
            prompts = torch.randint(1, 8000, (batch, PROMPT), generator=torch.Generator().manual_seed(1))
            for model in (ours, theirs):
                seconds(model, prompts)
            times = [(seconds(ours, prompts), seconds(theirs, prompts)) for _ in range(given.rounds)]
            speeds = [batch * NEW / statistics.median(column) for column in zip(*times, strict=True)]
            ratio = statistics.median(other / own for own, other in times)
            sys.stdout.write(
                f"{shape}, batch {batch}: ours {speeds[0]:,.0f} tok/s, transformers {speeds[1]:,.0f}, ratio {ratio:.2f}\n"
            )


if __name__ == "__main__":
    main()
