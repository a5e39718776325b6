"""What each objective makes of text: the examples of the papers, and shares in expectation."""

import math

import numpy as np
import pytest
import torch

from groundup.train.batches import document_ids
from groundup.train.loss import IGNORE
from groundup.train.objectives.config import UL2
from groundup.train.objectives.documents import Documents, Rows
from groundup.train.objectives.layout import PADDING, by_document
from groundup.train.objectives.sentinels import hide, reveal
from groundup.train.objectives.spans import count_noise
from packed_rows import EOS, SENTENCE_ENDS, build, made_up_vocabulary, random_rows, rows_of_lengths

LARGE = made_up_vocabulary(400, 100)
SPECIAL = LARGE.special
SEQ_LEN = 512
ROWS = 200


def within(count: float, trials: float, share: float) -> bool:
    """Whether a count of independent trials is within four standard errors."""
    return abs(count - trials * share) <= 4 * math.sqrt(trials * share * (1 - share))


def one_document(tokens: list[int]) -> Documents:
    ids = np.zeros((1, len(tokens)), dtype=np.int64)
    return Documents.of(Rows(np.array([tokens]), ids, np.zeros(1, dtype=np.uint64)), EOS)


def long_rows(name: str, shape: str, settings: dict | None = None, mean_len: float = 1e9):
    objective = build(name, shape, settings or {}, SEQ_LEN, LARGE)
    rows = random_rows(ROWS, objective.raw_len, LARGE, mean_len=mean_len)
    return rows, objective(rows)


def test_causal_is_what_the_batches_have_always_been():
    vocabulary = made_up_vocabulary()
    rows = random_rows(6, 33, vocabulary, mean_len=9)
    batch = build("causal", "decoder", {})(rows)
    tokens = torch.from_numpy(rows.tokens)
    assert torch.equal(batch.inputs.tokens, tokens[:, :-1])
    assert torch.equal(batch.targets, tokens[:, 1:])
    assert torch.equal(batch.inputs.document_ids, torch.from_numpy(document_ids(tokens[:, :-1].numpy(), EOS)))
    alone = rows_of_lengths([[33]], 33, vocabulary)
    assert build("causal", "decoder", {})(alone).inputs.document_ids is None


def test_spans_are_hidden_as_in_the_figure_of_the_paper():
    """Raffel et al. 2020, figure 2."""
    names = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", ".", "<X>", "<Y>", "<Z>"]
    ids = {name: number for number, name in enumerate(names, start=1)}
    text = [ids[name] for name in names[:11]]
    hidden = np.array([names[i - 1] in ("for", "inviting", "last") for i in text])
    sentinels = np.array([ids["<X>"], ids["<Y>"], ids["<Z>"]])
    pairs = hide(one_document(text), hidden, sentinels)
    assert [names[i - 1] for i in pairs.source] == ["Thank", "you", "<X>", "me", "to", "your", "party", "<Y>", "week", "."]
    assert [names[i - 1] for i in pairs.target] == ["<X>", "for", "inviting", "<Y>", "last", "<Z>"]
    assert reveal(pairs.source.tolist(), pairs.target.tolist(), sentinels.tolist()) == text


def test_spans_at_the_edges_and_of_neighbouring_documents_stay_apart():
    rows = rows_of_lengths([[3, 2, 2], [4, 3]], 7, made_up_vocabulary(), opened=False)
    documents = Documents.of(Rows(np.arange(14).reshape(2, 7) % 7 * (rows.tokens != EOS), rows.document_ids, rows.seeds), EOS)
    hidden = np.array([True, False, True, True, False, False, False, True, True, True, True, False, True, True])
    pairs = hide(documents, hidden, np.array([90, 91, 92, 93]))
    assert pairs.source_lens.tolist() == [3, 2, 2, 1, 2]
    assert pairs.target_lens.tolist() == [5, 3, 0, 6, 4]
    assert pairs.source[:5].tolist() == [90, 1, 91, 90, 4]
    assert pairs.target.tolist() == [90, 0, 91, 2, 92, 90, 0, 91, 90, 0, 1, 2, 3, 91, 90, 5, 6, 91]


def test_lengths_are_those_of_the_published_setting():
    """512 tokens of input come from 568 of text, with 114 of targets (the code released with Raffel et al. 2020)."""
    rows, batch = long_rows("span_corruption", "encoder_decoder")
    assert rows.tokens.shape == (ROWS, 568)
    assert [count.tolist() for count in count_noise(np.array([568]), 0.15, 3.0)] == [[85], [28]]
    assert (batch.inputs.source.document_ids != PADDING).sum(dim=1).tolist() == [511] * ROWS  # the 512th: the paper's </s>
    assert (batch.targets != IGNORE).sum(dim=1).tolist() == [114] * ROWS


def test_mean_span_length_and_rate_over_many_documents():
    rows, batch = long_rows("span_corruption", "encoder_decoder", {}, 60)
    sentinels = torch.tensor(SPECIAL.sentinel_ids)
    spans = torch.isin(batch.inputs.source.tokens, sentinels).sum()
    hidden = ((batch.targets != IGNORE) & ~torch.isin(batch.targets, sentinels)).sum()
    assert abs(hidden / rows.tokens.size - 0.15) < 0.002
    assert abs(hidden / spans - 85 / 28) < 0.05


@pytest.mark.parametrize("unit", ["token", "word"])
def test_shares_of_masked_tokens(unit):
    rows, batch = long_rows("masked", "encoder", {"unit": unit}, 100)
    chosen = (batch.targets != IGNORE).numpy()
    text = rows.tokens != EOS
    assert not chosen[~text].any()
    if unit == "token":
        assert within(chosen.sum(), text.sum(), 0.15)
    else:
        documents = Documents.of(rows, EOS)
        begins = LARGE.word_starts[documents.tokens]
        begins[documents.starts] = True
        words = np.diff(np.flatnonzero(begins), append=begins.size)
        assert abs(chosen.sum() - 0.15 * text.sum()) < 4 * math.sqrt(0.15 * 0.85 * (words**2).sum())
        mask = chosen.reshape(-1)
        assert (mask[1:] == mask[:-1])[~begins[1:] & text.reshape(-1)[:-1]].all()
    read = batch.inputs.tokens.numpy()
    assert np.array_equal(read[~chosen], rows.tokens[~chosen])
    same, ordinary = (read == rows.tokens)[chosen], len(LARGE.ordinary)
    assert within((read[chosen] == SPECIAL.mask_id).sum(), chosen.sum(), 0.8)
    assert within(same.sum(), chosen.sum(), 0.1 + 0.1 / ordinary)
    replaced = read[chosen][~same & (read[chosen] != SPECIAL.mask_id)]
    assert np.isin(replaced, LARGE.ordinary).all()
    assert len(np.unique(replaced)) > 0.9 * ordinary


def test_masked_spans_are_whole_words_with_one_fate():
    rows, batch = long_rows("masked", "encoder", {"unit": "span"})
    chosen = (batch.targets != IGNORE).numpy()
    begins = LARGE.word_starts[rows.tokens]
    begins[:, 0] = True
    words = begins.sum()
    assert abs((chosen & begins).sum() - 0.15 * words) < ROWS
    assert (chosen[:, 1:] == chosen[:, :-1])[~begins[:, 1:]].all()
    masked = (batch.inputs.tokens == SPECIAL.mask_id).numpy()
    inside = chosen[:, 1:] & chosen[:, :-1]
    assert (masked[:, 1:] == masked[:, :-1])[inside].all()
    starts = chosen & ~np.pad(chosen, ((0, 0), (1, 0)))[:, :-1]
    mean_words = (chosen & begins).sum() / starts.sum()
    assert 3.5 < mean_words < 3.8  # 3.8, but for the last of each row, which is cut to the budget
    assert within((masked & starts).sum(), starts.sum(), 0.8)


def test_infilling_leaves_the_kept_tokens_in_order():
    rows, batch = long_rows("denoising", "encoder_decoder", {"shuffle_share": 0}, 80)
    source = batch.inputs.source
    masks = (source.tokens == SPECIAL.mask_id).sum().item()
    kept = (source.document_ids != PADDING).sum().item() - masks
    assert abs(1 - kept / rows.tokens.size - 0.3) < 0.01
    zero, nonzero_mean = math.exp(-3), 3 / (1 - math.exp(-3))
    assert masks == pytest.approx(0.3 * rows.tokens.size / nonzero_mean / (1 - zero), rel=0.1)  # the last of a document is cut
    for tokens, raw in zip(by_document(source.tokens, source.document_ids), rows.tokens.tolist(), strict=True):
        left = iter(raw)
        assert all(token in left for document in tokens.values() for token in document if token != SPECIAL.mask_id)


def counting_rows(raw_len: int) -> Rows:
    """Return rows that count 2, 3, ... 201, 2, ..., so that a gap shows."""
    tokens = np.tile(np.arange(raw_len) % 200 + 2, (ROWS, 1))
    return Rows(tokens, np.zeros_like(tokens), np.arange(ROWS, dtype=np.uint64))


def test_runs_of_hidden_tokens_become_one_mask():
    """Of spans that are never of length 0, masks stand where the kept tokens leave gaps, and nowhere else."""
    objective = build("denoising", "encoder_decoder", {"shuffle_share": 0, "mean_span_len": 100}, SEQ_LEN, LARGE)
    source = objective(counting_rows(objective.raw_len)).inputs.source
    for row in by_document(source.tokens, source.document_ids):
        is_mask = np.array(row[0]) == SPECIAL.mask_id
        kept = np.array(row[0])[~is_mask]
        behind = np.cumsum(~is_mask)[is_mask]  # how many kept tokens stand before each mask
        assert len(np.unique(behind)) == len(behind)
        gaps = np.flatnonzero((np.diff(kept) - 1) % 200) + 1
        assert np.array_equal(behind[behind < len(kept)], gaps)


def test_masks_that_stand_for_nothing_are_anywhere():
    objective = build("denoising", "encoder_decoder", {"shuffle_share": 0}, SEQ_LEN, LARGE)
    source = objective(counting_rows(objective.raw_len)).inputs.source
    places, num_spans = [], 0
    for row in by_document(source.tokens, source.document_ids):
        is_mask = np.array(row[0]) == SPECIAL.mask_id
        kept = np.append(np.array(row[0])[~is_mask], (objective.raw_len % 200) + 2)  # and the token after the row
        gap = (np.diff(kept) - 1) % 200 > 0
        masks = np.bincount(np.cumsum(~is_mask)[is_mask] - 1, minlength=len(gap))
        assert (masks >= gap).all()
        num_spans += gap.sum()
        places += np.repeat(np.arange(len(gap)) / (len(gap) - 1), masks - gap).tolist()
    zero = math.exp(-3)
    assert abs(len(places) - num_spans * zero / (1 - zero)) < 4 * math.sqrt(num_spans * zero) / (1 - zero)
    assert abs(np.mean(places) - 0.5) < 4 / math.sqrt(12 * len(places))
    assert abs(np.std(places) - 12**-0.5) < 0.03


def test_sentences_are_shuffled_within_their_document():
    rows, batch = long_rows("denoising", "encoder_decoder", {"rate": 1e-9}, 120)
    source = batch.inputs.source
    moved = 0
    for tokens, raw in zip(by_document(source.tokens, source.document_ids), numbered(rows), strict=True):
        assert tokens.keys() == raw.keys()
        for number, document in tokens.items():
            assert document[0] == EOS or number == 0
            assert sentences(document) == sentences(raw[number])
            moved += document != raw[number]
    assert moved > ROWS


def numbered(rows: Rows) -> list[dict[int, list[int]]]:
    return by_document(torch.from_numpy(rows.tokens), torch.from_numpy(rows.document_ids))


def sentences(document: list[int]) -> list[list[int]]:
    """Return the sentences in alphabetical order; what follows the last end may have come before another, so ends are the cuts."""
    return sorted(token for token in document if token not in SENTENCE_ENDS)


def test_a_document_that_ends_in_the_row_is_predicted_with_its_end():
    objective = build("denoising", "encoder_decoder", {})
    rows = rows_of_lengths([[4, 9], [13]], objective.raw_len, made_up_vocabulary())
    targets = by_document(objective(rows).targets, objective(rows).inputs.document_ids)
    first, second = rows.tokens[0, :4].tolist(), rows.tokens[0, 4:13].tolist()
    assert targets == [{1: [*first[1:], EOS], 2: second[1:]}, {1: rows.tokens[1, 1:13].tolist()}]


def test_prefixes_are_of_every_length():
    _, batch = long_rows("prefix", "prefix_decoder")
    lengths = batch.inputs.prefix.sum(dim=1)
    assert torch.equal(batch.inputs.prefix, torch.arange(SEQ_LEN) < lengths[:, None])
    assert torch.equal(batch.targets == IGNORE, torch.arange(SEQ_LEN) < lengths[:, None] - 1)
    assert abs(lengths.double().mean() - (SEQ_LEN + 1) / 2) < 4 * SEQ_LEN / math.sqrt(12 * ROWS)
    assert 1 <= lengths.min() < 30
    assert 480 < lengths.max() <= SEQ_LEN


def test_middles_are_filled_in_behind():
    vocabulary = made_up_vocabulary()
    marks = vocabulary.special.fill
    objective = build("fill_in_middle", "decoder", {"rate": 0.999, "spm_share": 0.5})
    rows = rows_of_lengths([[objective.raw_len]] * 60, objective.raw_len, vocabulary)
    orders = set()
    for document, text, targets in zip(
        by_document(objective(rows).inputs.tokens, None), rows.tokens.tolist(), objective(rows).targets.tolist(), strict=True
    ):
        tokens = document[0]
        assert tokens[:2] == [EOS, marks.prefix]
        assert targets == [*tokens[1:], EOS]
        at_suffix, at_middle = tokens.index(marks.suffix), tokens.index(marks.middle)
        before, suffix, after = tokens[2:at_suffix], tokens[at_suffix + 1 : at_middle], tokens[at_middle + 1 :]
        assert [EOS, *before, *after, *suffix] == text
        orders.add(bool(before))
    assert orders == {True, False}


def test_shares_of_rearranged_documents():
    objective = build("fill_in_middle", "decoder", {}, SEQ_LEN, LARGE)
    rows = rows_of_lengths([[objective.raw_len // 2] * 2] * 2 * ROWS, objective.raw_len, LARGE)
    batch = objective(rows)
    moved = (batch.inputs.tokens == SPECIAL.fill.prefix).sum().item()
    assert within(moved, 4 * ROWS, 0.5)
    suffix_first = (batch.inputs.tokens[:, 1:] == SPECIAL.fill.suffix) & (batch.inputs.tokens[:, :-1] == SPECIAL.fill.prefix)
    assert within(suffix_first.sum().item(), moved, 0.5 + 0.5 / 250)  # an empty prefix looks so too


def test_rows_without_room_leave_the_last_documents_as_they_are():
    objective = build("fill_in_middle", "decoder", {"rate": 0.999})
    rows = rows_of_lengths([[9, 10, 10]] * 10, objective.raw_len, made_up_vocabulary())
    batch = objective(rows)
    found = by_document(batch.inputs.tokens, batch.inputs.document_ids)
    assert [[len(document) for document in row.values()] for row in found] == [[12, 10, 10]] * 10
    assert batch.targets[:, -1].tolist() == [IGNORE] * 10  # the last document goes on behind the row


@pytest.mark.parametrize("shape", ["encoder_decoder", "prefix_decoder"])
def test_denoisers_are_mixed_in_their_shares(shape):
    _, batch = long_rows("mixture", shape)
    source = batch.inputs.source.tokens if shape == "encoder_decoder" else batch.inputs.tokens
    counts = {mode: (source[:, 0] == token).sum().item() for mode, token in SPECIAL.mode_ids.items()}
    assert sum(counts.values()) == ROWS
    for mode, count in counts.items():
        assert within(count, ROWS, sum(denoiser.mode == mode for denoiser in UL2) / len(UL2))


def test_one_denoiser_of_each_mode():
    vocabulary, x_sentinel = made_up_vocabulary(), made_up_vocabulary().special.sentinel_ids[:2]
    settings = {"denoisers": [{"mode": "S", "rate": 0.25}]}
    objective = build("mixture", "encoder_decoder", settings, vocabulary=vocabulary)
    rows = rows_of_lengths([[20, 8]], objective.raw_len, vocabulary)
    batch = objective(rows)
    mode, (first, second) = vocabulary.special.mode_ids["S"], x_sentinel
    text, other = rows.tokens[0, :20].tolist(), rows.tokens[0, 20:28].tolist()
    sources = by_document(batch.inputs.source.tokens, batch.inputs.source.document_ids)
    assert sources == [{1: [mode, *text[1:15], first], 2: [mode, *other[1:6], first]}]
    targets = by_document(batch.targets, batch.inputs.document_ids)
    assert targets == [{1: [first, *text[15:], second], 2: [first, *other[6:], second]}]

    decoder = build("mixture", "prefix_decoder", settings, vocabulary=vocabulary)
    batch = decoder(Rows(rows.tokens[:, :28], rows.document_ids[:, :28], rows.seeds))
    assert batch.inputs.tokens[0, :23].tolist() == [mode, *text[1:15], first, first, *text[15:], mode]
    assert batch.inputs.prefix[0, :23].tolist() == [True] * 16 + [False] * 6 + [True]
    assert batch.targets[0, :23].tolist() == [IGNORE] * 15 + [first, *text[15:], second, IGNORE]


def test_the_rest_of_a_document_has_its_mode_too():
    vocabulary = made_up_vocabulary()
    settings = {"denoisers": [{"mode": "X", "rate": 0.5, "mean_span_len": 3}]}
    for shape in ("encoder_decoder", "prefix_decoder"):
        objective = build("mixture", shape, settings, vocabulary=vocabulary)
        rows = rows_of_lengths([[objective.raw_len]], objective.raw_len, vocabulary, opened=False)
        batch = objective(rows)
        source = batch.inputs if shape == "prefix_decoder" else batch.inputs.source
        assert source.tokens[0, 0] == vocabulary.special.mode_ids["X"]
        assert objective.restore(batch) == rows.tokens.tolist()
