import pytest

from groundup.estimate.flops import flops_per_row, flops_per_token, recomputed_flops_per_row
from groundup.estimate.rows import RowLengths
from groundup.estimate.workload import Workload
from groundup.nn.config import ModelConfig

MODEL = ModelConfig(vocab_size=1000, dim=64, num_layers=3, num_heads=4, num_kv_heads=2, ffn_dim=160, max_seq_len=128)


ROWS = RowLengths.causal(128)


def test_flops_are_six_for_each_multiplying_parameter_and_attention():
    attention = 3 * (64 * 64 * 2 + 64 * 32 * 2)
    feed_forward = 3 * 3 * 64 * 160
    assert flops_per_token(MODEL, ROWS) == 6 * (attention + feed_forward + 1000 * 64) + 12 * 3 * 64 * 128


def test_tying_saves_memory_but_no_flops():
    untied = MODEL.model_copy(update={"tie_embeddings": False})
    assert flops_per_token(untied, ROWS) == flops_per_token(MODEL, ROWS)


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({}, ROWS),
        ({"shape": "encoder"}, ROWS),
        ({"shape": "encoder", "head_transform": True}, RowLengths(128, 128, 128, 19)),
        ({"shape": "encoder_decoder", "num_encoder_layers": 2}, RowLengths(120, 128, 48, 48)),
    ],
    ids=["decoder", "encoder", "masked", "encoder_decoder"],
)
def test_flops_are_those_that_torch_counts(changes, rows):
    """torch counts 2 FLOPs a multiply-add in every matrix product of forward and backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from groundup.nn.transformer import build_model
    from groundup.plan.probe import made_up_batch
    from groundup.train.loss import IGNORE

    config = ModelConfig.model_validate({**MODEL.model_dump(), **changes})
    model = build_model(config, "matmul")
    model.init_weights(torch.Generator().manual_seed(0))
    batch = made_up_batch(Workload(config, "fp32", "matmul", 2, 2, rows, document_mask=False))
    with FlopCounterMode(display=False) as counter:
        model.head(model.hidden(batch.inputs)[batch.targets != IGNORE]).sum().backward()
    assert counter.get_total_flops() == round(flops_per_token(config, rows) * rows.text_len * 2)


@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("changes", [{}, {"shape": "encoder_decoder", "num_encoder_layers": 2}], ids=["decoder", "encoder_decoder"])
def test_what_is_computed_again_is_what_torch_counts(changes, recompute):
    """But for the last product of each block, whose result nothing asks for."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from groundup.nn.transformer import build_model
    from groundup.plan.probe import made_up_batch
    from groundup.train.step import TrainStep

    config = ModelConfig.model_validate({**MODEL.model_dump(), **changes})
    rows = RowLengths(120, 128, 48, 48) if changes else ROWS
    model = build_model(config, "matmul")
    model.init_weights(torch.Generator().manual_seed(0))
    step = TrainStep(model, torch.optim.SGD(model.parameters()), "fp32", None, torch.device("cpu"), recompute=recompute)
    batch = made_up_batch(Workload(config, "fp32", "matmul", 2, 2, rows, document_mask=False))
    with FlopCounterMode(display=False) as counter:
        step.gradient([batch])
    spared = 2 * config.dim * config.ffn_dim * (3 * rows.target_len + config.num_encoder_layers * rows.read_len)
    again = recomputed_flops_per_row(config, rows, recompute, "matmul") - (spared if recompute == "full" else 0)
    assert counter.get_total_flops() == 2 * (flops_per_row(config, rows) + again)
