from groundup.estimate.flops import attention_flops_per_token, flops_per_token
from groundup.estimate.parameters import matmul_parameters
from groundup.nn.config import ModelConfig

MODEL = ModelConfig(vocab_size=1000, dim=64, num_layers=3, num_heads=4, num_kv_heads=2, ffn_dim=160, max_seq_len=128)


def test_attention_is_twelve_layers_width_length():
    assert attention_flops_per_token(MODEL, 128) == 12 * 3 * 64 * 128


def test_flops_are_six_for_each_multiplying_parameter_and_attention():
    attention = 3 * (64 * 64 * 2 + 64 * 32 * 2)
    feed_forward = 3 * 3 * 64 * 160
    assert matmul_parameters(MODEL) == attention + feed_forward + 1000 * 64
    assert flops_per_token(MODEL, 128) == 6 * matmul_parameters(MODEL) + 12 * 3 * 64 * 128


def test_tying_saves_memory_but_no_flops():
    untied = MODEL.model_copy(update={"tie_embeddings": False})
    assert flops_per_token(untied, 128) == flops_per_token(MODEL, 128)


def test_flops_are_those_that_torch_counts():
    """torch counts 2 FLOPs a multiply-add in every matrix product of forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from groundup.nn.transformer import Inputs, build_model

    model = build_model(MODEL, "matmul")
    model.init_weights(torch.Generator().manual_seed(0))
    tokens = torch.randint(1000, (2, 128))
    with FlopCounterMode(display=False) as counter:
        model(Inputs(tokens)).sum().backward()
    assert counter.get_total_flops() == flops_per_token(MODEL, 128) * tokens.numel()
