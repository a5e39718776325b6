"""What must hold of every objective."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import models
import packed_rows
from groundup.nn.transformer import Inputs, Transformer
from groundup.train.batch import Batch
from groundup.train.loss import IGNORE, linear_cross_entropy
from groundup.train.objectives.config import SHAPES_OF, MaskUnit, ObjectiveName
from groundup.train.objectives.documents import Rows
from groundup.train.objectives.layout import PADDING, by_document
from groundup.train.objectives.selections import SELECTIONS
from groundup.train.objectives.table import OBJECTIVES
from packed_rows import EOS, build, made_up_vocabulary, random_rows, raw_rows, rows_of_lengths

FLOAT32_SUMS = 1e-4
"""Room for sums of some 30 losses of order 4 in float32, taken in another order."""
VARIANTS = packed_rows.variants()
CUT_SHORT = ("span_corruption", "mixture")
"""Objectives that leave out the end of rows of very short documents."""
ROOMY = 8
"""Documents of so many tokens have room for every span that falls to them here."""
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=packed_rows.name_of)


def take(rows: Rows, which: slice | list[int]) -> Rows:
    return Rows(rows.tokens[which], rows.document_ids[which], rows.seeds[which])


def parts_of(batch: Batch) -> list[torch.Tensor]:
    """Return all that is in the batch, ids as whether each token is of the same document as the one before."""
    found = [batch.targets]
    for inputs in (batch.inputs, batch.inputs.source):
        if inputs is not None:
            ids = inputs.document_ids if inputs.document_ids is not None else torch.zeros_like(inputs.tokens)
            found += [inputs.tokens, ids[:, 1:] == ids[:, :-1]]
            found += [inputs.prefix] if inputs.prefix is not None else []
    return found


def same(one: Batch, two: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(parts_of(one), parts_of(two), strict=True))


def loss_sum(model: Transformer, batch: Batch) -> torch.Tensor:
    head = model.head
    return linear_cross_entropy(model.trunk(batch.inputs), head.weight, batch.targets, head.bias)[0]


def test_the_names_of_the_tables_are_those_of_the_settings():
    assert list(OBJECTIVES) == list(SHAPES_OF) == list(get_args(ObjectiveName))
    assert {name: tuple(row) for name, row in OBJECTIVES.items()} == SHAPES_OF
    assert list(SELECTIONS) == list(get_args(MaskUnit))


@every_variant
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), mean_len=st.sampled_from([1.5, 3, 8, 20, 500]), form=st.sampled_from(packed_rows.FORMS))
def test_inputs_and_targets_give_back_the_tokens(variant, seed, mean_len, form):
    objective = build(*variant)
    rows = random_rows(4, objective.raw_len, made_up_vocabulary(), seed, mean_len, form)
    for row, (restored, raw) in enumerate(zip(objective.restore(objective(rows)), raw_rows(rows), strict=True)):
        if variant[0] in CUT_SHORT:
            ids = rows.document_ids[row]
            assert raw[: len(restored)] == restored
            lengths = np.unique(ids[ids >= 0], return_counts=True)[1]
            assert len(restored) in {0, *np.cumsum(lengths).tolist()}
            if lengths.min() < ROOMY:
                continue
        assert restored == raw


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[0] in CUT_SHORT], ids=packed_rows.name_of)
def test_nothing_is_left_out_of_documents_of_usual_lengths(variant):
    vocabulary = made_up_vocabulary(400, 100)
    objective = build(*variant, seq_len=128, vocabulary=vocabulary)
    rows = random_rows(200, objective.raw_len, vocabulary, mean_len=20)
    assert objective.restore(objective(rows)) == raw_rows(rows)


@every_variant
def test_shapes_and_dtypes(variant):
    objective = build(*variant)
    batch = objective(random_rows(5, objective.raw_len, made_up_vocabulary()))
    assert batch.targets.shape == batch.inputs.tokens.shape == (5, objective.target_len)
    assert objective.target_len <= objective.seq_len
    everything = [batch.targets, batch.inputs.tokens, batch.inputs.document_ids]
    if batch.inputs.source is not None:
        assert batch.inputs.source.tokens.shape == (5, objective.seq_len)
        everything += [batch.inputs.source.tokens, batch.inputs.source.document_ids]
    for tensor in everything:
        assert tensor.dtype == torch.int64
        assert tensor.is_contiguous()
    assert (batch.targets != IGNORE).any(dim=1).all()


@every_variant
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), mean_len=st.sampled_from([2, 10, 500]), form=st.sampled_from(packed_rows.FORMS))
def test_a_row_depends_on_itself_and_its_seed_alone(variant, seed, mean_len, form):
    objective = build(*variant)
    rows = random_rows(6, objective.raw_len, made_up_vocabulary(), seed, mean_len, form)
    whole = objective(rows)
    assert same(whole, objective(rows))
    assert same(objective(take(rows, [3, 1])), Batch(pick(whole.inputs, [3, 1]), whole.targets[[3, 1]]))


def pick(inputs: Inputs, rows: list[int]) -> Inputs:
    chosen = {name: getattr(inputs, name) for name in ("tokens", "document_ids", "prefix")}
    source = None if inputs.source is None else pick(inputs.source, rows)
    return Inputs(**{name: None if value is None else value[rows] for name, value in chosen.items()}, source=source)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[0] != "causal"], ids=packed_rows.name_of)
def test_another_seed_is_another_batch(variant):
    objective = build(*variant)
    rows = rows_of_lengths([[objective.raw_len]] * 8, objective.raw_len, made_up_vocabulary())
    assert not same(objective(rows), objective(Rows(rows.tokens, rows.document_ids, rows.seeds + np.uint64(1))))
    batch = objective(Rows(np.repeat(rows.tokens[:1], 8, axis=0), rows.document_ids, rows.seeds))
    assert max(len(part.unique(dim=0)) for part in parts_of(batch)) > 3


@every_variant
def test_a_changed_document_leaves_the_others_alone(variant):
    objective = build(*variant)
    lengths = [[10, 8, objective.raw_len - 18]] * 20
    rows = rows_of_lengths(lengths, objective.raw_len, made_up_vocabulary())
    tokens = rows.tokens.copy()
    tokens[:, 11:18] = rows_of_lengths(lengths, objective.raw_len, made_up_vocabulary(), seed=1).tokens[:, 11:18]
    before, after = objective(rows), objective(Rows(tokens, rows.document_ids, rows.seeds))
    changed = False
    for one, two in zip(readings(before), readings(after), strict=True):
        for row, other in zip(one, two, strict=True):
            assert row.keys() == other.keys()
            assert all(row[number] == other[number] for number in row if number != 2)
            changed |= row.get(2) != other.get(2)
    assert changed


def readings(batch: Batch) -> list[list[dict[int, list[int]]]]:
    found = [by_document(values, batch.inputs.document_ids) for values in (batch.inputs.tokens, batch.targets)]
    source = batch.inputs.source
    return found if source is None else [*found, by_document(source.tokens, source.document_ids)]


@every_variant
def test_a_model_learns_from_it(variant):
    _, shape, _ = variant
    objective = build(*variant)
    model = models.small_model(shape=shape, **models.SHAPES[shape])
    batch = objective(random_rows(4, objective.raw_len, made_up_vocabulary(), form="padded"))
    loss = loss_sum(model, batch) / (batch.targets != IGNORE).sum()
    loss.backward()
    assert 1 < loss.item() < 20
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_variant
@pytest.mark.parametrize("position", ["rope", "t5_bias", "learned"])
def test_packed_documents_have_the_loss_they_have_alone(variant, position):
    _, shape, _ = variant
    objective = build(*variant)
    model = models.small_model(shape=shape, position=position, **models.SHAPES[shape])
    rows = rows_of_lengths([[9, 12], [4, 1, 10], [objective.raw_len]], objective.raw_len, made_up_vocabulary(), opened=False)
    batch = objective(rows)
    with torch.no_grad():
        together = loss_sum(model, batch)
        alone = sum(loss_sum(model, part) for part in split(batch))
    torch.testing.assert_close(together, alone, rtol=0, atol=FLOAT32_SUMS)


def split(batch: Batch) -> list[Batch]:
    """Return a batch of its own for each document that has something to predict."""
    found = []
    ids, source = batch.inputs.document_ids, batch.inputs.source
    for row in range(len(ids)):
        for number in ids[row].unique().tolist():
            mine = ids[row] == number
            targets = batch.targets[row][mine][None]
            if number == PADDING or (targets == IGNORE).all():
                continue
            prefix = None if batch.inputs.prefix is None else batch.inputs.prefix[row][mine][None]
            read = None if source is None else Inputs(source.tokens[row][source.document_ids[row] == number][None])
            found.append(Batch(Inputs(batch.inputs.tokens[row][mine][None], prefix=prefix, source=read), targets))
    return found


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[1] == "encoder_decoder"], ids=packed_rows.name_of)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), mean_len=st.sampled_from([1.5, 4, 20, 500]))
def test_decoders_read_eos_and_then_what_they_predicted(variant, seed, mean_len):
    objective = build(*variant)
    batch = objective(random_rows(4, objective.raw_len, made_up_vocabulary(), seed, mean_len))
    for read, predicted in zip(*readings(batch)[:2], strict=True):
        assert read.keys() == predicted.keys()
        for number, tokens in read.items():
            assert tokens == [EOS, *predicted[number][:-1]]
    assert (batch.inputs.source.document_ids == PADDING).any(dim=1).all()  # what the decoder's padding looks at


@every_variant
def test_a_row_of_nothing_but_padding(variant):
    objective = build(*variant)
    rows = rows_of_lengths([[], [objective.raw_len]], objective.raw_len, made_up_vocabulary())
    batch = objective(rows)
    assert (batch.targets[0] == IGNORE).all()
    assert objective.restore(batch) == [[], raw_rows(rows)[1]]
    empty = objective(take(rows, [0]))
    assert (empty.targets == IGNORE).all()
    assert objective.restore(empty) == [[]]
