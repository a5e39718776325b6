"""Classifiers see the rows they are given, padding or not, and equal those of `transformers`."""

from typing import get_args

import pytest
import torch

import models
from groundup.core.errors import ConfigError
from groundup.nn.classifier import POOLINGS, Classifier
from groundup.nn.config import PoolingName
from groundup.nn.transformer import Inputs

CLASSES = 3
FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, on logits of order 1."""
SHAPES = ("encoder", "decoder", "prefix_decoder")


def classifier(shape: str, pooling: PoolingName, **changes) -> Classifier:
    model = Classifier(models.small_model(shape=shape, **changes), CLASSES, pooling)
    model.init_head(torch.Generator().manual_seed(5))
    return model.eval()


def padded(rows: list[torch.Tensor], fill: int = 0) -> Inputs:
    width = max(map(len, rows))
    ids = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    tokens = torch.stack([torch.cat((row, torch.full((width - len(row),), fill))) for row in rows])
    return Inputs(tokens, ids, torch.ones_like(tokens, dtype=torch.bool))


def test_table_has_a_row_for_every_name() -> None:
    assert tuple(POOLINGS) == get_args(PoolingName)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_and_the_rows_beside_change_nothing(shape: str, pooling: PoolingName) -> None:
    model = classifier(shape, pooling)
    rows = [models.some_tokens(length, seed=length) for length in (9, 1, 30)]
    together, filled = model(padded(rows)), model(padded(rows, fill=7))
    for number, row in enumerate(rows):
        alone = model(Inputs(row[None], prefix=torch.ones(1, len(row), dtype=torch.bool)))[0]
        for logits in (together, filled):
            torch.testing.assert_close(logits[number, : len(alone)], alone, rtol=0, atol=FLOAT32_SUMS)
        assert alone.shape == (len(row) if pooling == "each" else 1, CLASSES)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradient_reaches_all_but_the_models_own_head(pooling: PoolingName) -> None:
    model = classifier("encoder", pooling, head_transform=True, head_bias=True)
    model(padded([models.some_tokens(9), models.some_tokens(5)])).square().sum().backward()
    still = {name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.abs().sum()}
    assert still == {name for name, _ in model.named_parameters() if name.startswith("model.head.")}


def test_the_last_of_a_decoder_has_seen_all_and_the_first_itself() -> None:
    tokens = models.some_tokens(2, 20)
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % models.VOCAB
    for pooling, same in (("first", True), ("last", False), ("mean", False)):
        model = classifier("decoder", pooling)
        assert torch.equal(model(Inputs(tokens)), model(Inputs(changed))) == same


def test_an_encoder_decoder_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="text_to_text"):
        Classifier(models.small_model(shape="encoder_decoder", num_encoder_layers=1), 2, "mean")


@pytest.mark.parametrize("task", ["Sequence", "Token"])
def test_equals_bert_of_transformers(task: str, tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    import families

    settings = {**families.SIZES, "max_position_embeddings": families.LENGTH, "num_labels": CLASSES}
    theirs = getattr(transformers, f"BertFor{task}Classification")(transformers.BertConfig(**settings)).eval()
    families.stir(theirs)
    trunk = families.import_ours(theirs.bert, tmp_path)
    ours = Classifier(trunk, CLASSES, "first_tanh" if task == "Sequence" else "each").eval()
    ours.head.load_state_dict(theirs.classifier.state_dict())
    if task == "Sequence":
        ours.pooling.load_state_dict(theirs.bert.pooler.state_dict())
    rows = [torch.randint(families.VOCAB, (length,), generator=torch.Generator().manual_seed(length)) for length in (11, 4, 30)]
    inputs = padded(rows)
    with torch.no_grad():
        wanted = theirs(input_ids=inputs.tokens, attention_mask=inputs.document_ids).logits
        found = ours(Inputs(inputs.tokens, inputs.document_ids))
    for number, row in enumerate(rows):
        theirs_of_row = wanted[number][None] if task == "Sequence" else wanted[number, : len(row)]
        torch.testing.assert_close(found[number, : len(theirs_of_row)], theirs_of_row, rtol=0, atol=FLOAT32_SUMS)
