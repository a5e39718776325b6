"""The model equals the Llama of `transformers` with the same weights."""

import pytest
import torch

from groundup.nn.attention import FULL_ATTENTION
from groundup.nn.config import ModelConfig
from groundup.nn.formats import FORMATS
from groundup.nn.generate import generate
from groundup.nn.sampling import Greedy
from groundup.nn.transformer import Inputs, build_model

transformers = pytest.importorskip("transformers")

LLAMA = FORMATS["llama"]
FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, on logits of order 1."""
SHAPES = [
    pytest.param({"num_kv_heads": 4, "tie_embeddings": True}, id="mha-tied"),
    pytest.param({"num_kv_heads": 2, "tie_embeddings": False}, id="gqa-untied"),
    pytest.param({"num_kv_heads": 1, "tie_embeddings": True, "rope_theta": 500_000.0, "norm_eps": 1e-6}, id="mqa-theta-eps"),
]


def pair(changes, attention="sdpa"):
    """Return our model and theirs, with our weights in both."""
    sizes = {"vocab_size": 97, "dim": 32, "num_layers": 3, "num_heads": 4, "ffn_dim": 56, "max_seq_len": 48, "init_std": 0.1}
    config = ModelConfig(**(sizes | changes))
    ours = build_model(config, attention)
    ours.init_weights(torch.Generator().manual_seed(5))
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA.write_config(config)))
    missing = theirs.load_state_dict(LLAMA.to_theirs(ours.state_dict(), config), strict=False).missing_keys
    assert missing == (["lm_head.weight"] if config.tie_embeddings else [])
    return ours.eval(), theirs.eval()


@pytest.mark.parametrize("attention", FULL_ATTENTION)
@pytest.mark.parametrize("changes", SHAPES)
def test_logits_and_gradients_are_equal(changes, attention):
    ours, theirs = pair(changes, attention)
    tokens = torch.randint(97, (2, 48), generator=torch.Generator().manual_seed(1))
    logits = ours(Inputs(tokens)), theirs(tokens).logits
    torch.testing.assert_close(*logits, rtol=0, atol=FLOAT32_SUMS)
    for part in logits:
        torch.nn.functional.cross_entropy(part[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, gradient in LLAMA.to_theirs({name: p.grad for name, p in ours.named_parameters()}, ours.config).items():
        torch.testing.assert_close(gradient, gradients[name], rtol=1e-4, atol=FLOAT32_SUMS, msg=name)


@pytest.mark.parametrize("changes", SHAPES)
def test_greedy_text_is_equal(changes):
    ours, theirs = pair(changes)
    prompt = [3, 14, 15, 92, 65]
    made = theirs.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False, pad_token_id=0, eos_token_id=None)
    assert list(generate(ours, prompt, 40, Greedy())) == made[0, len(prompt) :].tolist()
