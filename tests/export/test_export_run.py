"""An exported folder holds the same model, and says where it came from."""

import json
import shutil
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

import builders
import models
from groundup import api
from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Order, Outcome, make
from groundup.artifacts.documents import REDACTION_SCHEMA, Document, Documents
from groundup.artifacts.plan import Decisions
from groundup.artifacts.reports import EVALUATION_FILE, Evaluation, Export
from groundup.artifacts.special_tokens import EOS_TOKEN, SPECIAL_TOKENS_FILE, FillNames, SpecialNames
from groundup.artifacts.tokenizer import TOKENIZER_FILE, TextTokenizer, read_engine
from groundup.core.config import Config
from groundup.core.errors import ArtifactError, ConfigError, VerificationError
from groundup.core.files import write_json
from groundup.curate.config import CurateConfig
from groundup.export import verify
from groundup.export.config import ExportConfig
from groundup.export.run import run
from groundup.export.wording import PIPELINES
from groundup.nn.device import resolve_device
from groundup.nn.generate import generate
from groundup.nn.load import load_config, load_model
from groundup.nn.sampling import Greedy
from groundup.nn.transformer import Inputs
from groundup.tokenizer.config import SpecialConfig

transformers = pytest.importorskip("transformers")

TRICKY_LICENCE = "MIT | own\nwords <b>"
EVALUATION = {
    "bits_per_byte": 1.94,
    "nll_per_token": 4.05,
    "perplexity": 57.4,
    "tokens": 90,
    "bytes": 301_000,
    "baselines": {"unigram": 3.31, "bigram": 2.46, "xz": 2.25, "xz_conditional": 1.62},
}


def write_documents(out):
    """Make curated documents with a funnel, redactions and licences, as the curate stage leaves them."""
    config = CurateConfig.model_validate(
        {"sources": [{"name": "own", "path": "/texts", "licence": TRICKY_LICENCE}, {"name": "docs", "kind": "installed-docs"}]}
    )
    texts = [Document(f"own:{i}", builders.word_salad(300, i), "own", language="en") for i in range(4)]
    held_out = [Document("docs:9", builders.word_salad(200, 9), "docs")]

    def write(_, job):
        builders.write_split(job.out, "train", texts)
        builders.write_split(job.out, "validation", held_out)
        (job.out / "redactions").mkdir()
        rows = [{"id": "own:1", "kind": kind, "start": 0, "end": 3} for kind in ("email", "email", "ip")]
        pq.write_table(pa.Table.from_pylist(rows, REDACTION_SCHEMA), job.out / "redactions" / "part-00000.parquet")
        first = {"stage": "collect", "docs_in": 7, "docs_out": 7, "bytes_in": 12_345, "bytes_out": 12_345, "by_rule": {}}
        write_json(job.out / "funnel.json", {"stages": [first]})
        removed = {"stage": "gopher-2021", "why": "a rule | of quality", "documents": 2, "bytes": 1500, "of_documents": 7}
        write_json(job.out / "data_card.json", {"removed": [removed]})
        (job.out / "data_card.md").write_text("# Data card\n")
        return Outcome({"documents": 4})

    return builders.build(Documents, out, write, config)


def write_evaluation(out, result):
    """Make an evaluation as a stage of a recipe's run."""

    def write(_, job):
        write_json(job.out / EVALUATION_FILE, result)
        return Outcome()

    order = Order("evaluate", Evaluation.kind, out, Config(), 0, "cpu", recipe={"name": "tiny-one"})
    make(order, write, replace=True)
    return Evaluation.open(out)


def write_plan(out, model):
    decisions = Decisions(
        model=model,
        steps=1,
        batch_tokens=64,
        micro_batch=2,
        seq_len=32,
        precision="fp32",
        attention="sdpa",
        device="cpu",
        num_threads=1,
        checkpoint_steps=1,
    )
    return builders.build_plan(out, decisions)


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """Return everything that an export may be made from."""
    folder = tmp_path_factory.mktemp("line")
    documents = write_documents(folder / "curate")
    tokenizer = builders.build_tokenizer(folder / "tokenizer", documents)
    training = builders.build_training_run(folder / "pretrain", tokenizer, max_seq_len=64)
    plan = write_plan(folder / "plan", training.final.model_config)
    return {
        "pretrain": training,
        "evaluate": write_evaluation(folder / "evaluate", EVALUATION),
        "plan": plan,
        "curate": documents,
    }


def export(out, inputs, **settings):
    order = Order("export", Export.kind, out, ExportConfig(**settings), 0, "cpu", inputs=inputs)
    make(order, run, replace=True)
    return Export.open(out)


@pytest.fixture(scope="module")
def exported(line, tmp_path_factory):
    return export(tmp_path_factory.mktemp("out") / "export", line, licence="apache-2.0")


def test_the_data_card_is_shipped_and_told(exported):
    assert (exported.path / "data_card.md").read_text() == "# Data card\n"
    assert "| gopher-2021 | a rule \\| of quality | 2 | 7 | 1.5 kB |" in (exported.path / "README.md").read_text()


def test_transformers_loads_the_same_model(line, exported):
    ours = load_model(line["pretrain"].final, resolve_device("cpu"))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(exported.path, local_files_only=True)
    tokens = torch.randint(ours.config.vocab_size, (2, 64))
    with torch.no_grad():
        difference = (ours(Inputs(tokens)) - theirs(tokens).logits).abs().max().item()
    assert difference < 1e-4
    assert exported.result["verified"] is True
    assert 0 <= exported.result["max_logit_difference"] < 1e-4


def test_the_reloaded_pair_continues_text_as_we_do(line, exported):
    checkpoint = line["pretrain"].final
    theirs = transformers.AutoModelForCausalLM.from_pretrained(exported.path, local_files_only=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported.path, local_files_only=True)
    inputs = tokenizer("The array returns", return_tensors="pt")
    made = theirs.generate(**inputs, do_sample=False)[0].tolist()
    ids = TextTokenizer.from_file(checkpoint.tokenizer_file).encode("The array returns")
    ours = list(generate(load_model(checkpoint, resolve_device("cpu")), ids, None, Greedy(), eos_id=tokenizer.eos_token_id))
    assert made[: len(ids)] == ids
    assert [token for token in made[len(ids) :] if token != tokenizer.eos_token_id] == ours


def test_a_text_may_start_from_nothing(exported):
    model = transformers.AutoModelForCausalLM.from_pretrained(exported.path, local_files_only=True)
    made = model.generate(do_sample=False, max_length=10)
    assert made[0, 0] == model.config.bos_token_id


def test_every_file_may_be_read_by_all_that_may_read_the_folder(exported):
    assert len({file.stat().st_mode for file in exported.path.iterdir()}) == 1


def test_the_tokenizer_is_ours(line, exported):
    theirs = transformers.AutoTokenizer.from_pretrained(exported.path, local_files_only=True)
    ours = TextTokenizer.from_file(line["pretrain"].final.tokenizer_file)
    for text in (verify.PAGE, "", " ", f"a{EOS_TOKEN}b", "\n\n", "  x"):
        assert theirs(text)["input_ids"] == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == text
    assert (theirs.eos_token, theirs.eos_token_id) == (EOS_TOKEN, ours.eos_id)
    assert theirs.bos_token_id == ours.eos_id
    assert theirs.model_max_length == 64


@pytest.mark.parametrize("changes", [{"tie_embeddings": False}, {"num_kv_heads": 2, "rope_theta": 50_000.0, "norm_eps": 1e-6}])
def test_other_shapes_are_proven_too(line, tmp_path, changes):
    tokenizer = builders.Tokenizer.open(line["curate"].path.parent / "tokenizer")
    training = builders.build_training_run(tmp_path / "pretrain", tokenizer, **changes)
    assert export(tmp_path / "export", {"pretrain": training}).result["verified"] is True


@pytest.fixture(scope="module")
def special_tokenizer(line, tmp_path_factory):
    """Return the line's tokenizer with a token for every role."""
    trained = line["curate"].path.parent / "tokenizer"
    names = SpecialNames(
        before=("<s>",),
        after=("</s>",),
        start="<pad>",
        pad="<pad>",
        unk="<unk>",
        mask="<mask>",
        sep="</s>",
        sentinels=("<0>", "<1>"),
        modes={"R": "<R>"},
        fill=FillNames(prefix="<pre>", suffix="<suf>", middle="<mid>"),
    )

    def write(_, job):
        engine = read_engine(trained / TOKENIZER_FILE)
        engine.add_special_tokens(sorted(set(names.all())))
        (job.out / TOKENIZER_FILE).write_text(engine.to_str())
        write_json(job.out / SPECIAL_TOKENS_FILE, names.model_dump(mode="json"))
        return Outcome()

    return builders.build(builders.Tokenizer, tmp_path_factory.mktemp("special") / "tokenizer", write)


@pytest.mark.parametrize("family", [name for name in models.FAMILIES if name not in ("opt", "roberta")])
def test_every_family_is_written_and_proven(special_tokenizer, tmp_path, family):
    settings = models.FAMILIES[family]
    sizes = {"num_kv_heads": 2, "ffn_dim": 64, "max_seq_len": 64}
    if "num_encoder_layers" in settings:  # `generate` of T5 in transformers makes a cache of as many layers as the encoder has
        sizes["num_encoder_layers"] = 2
    training = builders.build_training_run(tmp_path / "pretrain", special_tokenizer, **{**settings, **sizes})
    exported = export(tmp_path / "export", {"pretrain": training})
    assert json.loads((exported.path / "config.json").read_text())["model_type"] == family
    assert exported.result["verified"] is True
    assert 0 <= exported.result["max_logit_difference"] < 1e-4
    shape = settings.get("shape", "decoder")
    assert (exported.path / "generation_config.json").is_file() == (shape != "encoder")
    card = ModelCard.load(exported.path / "README.md")
    assert card.data.pipeline_tag == PIPELINES[shape]
    code = card.text.split("```python\n")[1].split("```")[0]
    exec(compile(code.replace("PATH/TO/THIS/FOLDER", str(exported.path)), "card", "exec"), {"print": lambda *_: None})


@pytest.mark.parametrize(("family", "first"), [("opt", "gpt2"), ("mistral", "llama")])
def test_the_layout_may_be_chosen(special_tokenizer, tmp_path, family, first):
    settings = models.FAMILIES["opt" if family == "opt" else "llama"] | {"num_kv_heads": 2, "ffn_dim": 64}
    training = builders.build_training_run(tmp_path / "pretrain", special_tokenizer, **settings)
    found = {}
    for wanted in (None, family):
        exported = export(tmp_path / f"export-{wanted}", {"pretrain": training}, family=wanted)
        found[wanted] = json.loads((exported.path / "config.json").read_text())["model_type"]
        assert exported.result["verified"] is True
        assert found[wanted] in ModelCard.load(exported.path / "README.md").data.tags
    assert found == {None: first, family: family}
    again = api.import_checkpoint(exported.path, tmp_path / "again")
    assert again.imported["format"] == family
    assert load_config(again) == load_config(training.final)


def test_roberta_is_written_where_its_padding_is(line, special_tokenizer, tmp_path):
    """It counts positions over what is not token 1."""
    settings = models.FAMILIES["roberta"] | {"num_kv_heads": 2, "ffn_dim": 64, "segments": 1}
    documents = Documents.open(line["curate"].path)
    fitting = builders.build_tokenizer(tmp_path / "tokenizer", documents, special=SpecialConfig(pad=True, mask=True, sep=True))
    assert fitting.text.pad_id == 1
    training = builders.build_training_run(tmp_path / "pretrain", fitting, **settings)
    exported = export(tmp_path / "export", {"pretrain": training}, family="roberta")
    assert json.loads((exported.path / "config.json").read_text())["model_type"] == "roberta"
    assert exported.result["verified"] is True
    other = builders.build_training_run(tmp_path / "other", special_tokenizer, **settings)
    with pytest.raises(
        ConfigError, match=r"takes token 1 for padding.*this tokenizer's padding is token \d+; leave export.family out"
    ):
        export(tmp_path / "no", {"pretrain": other}, family="roberta")


def test_a_layout_that_cannot_hold_the_model_is_refused(line, tmp_path):
    tokenizer = builders.Tokenizer.open(line["curate"].path.parent / "tokenizer")
    training = builders.build_training_run(tmp_path / "pretrain", tokenizer)
    with pytest.raises(ConfigError, match=r"the bloom format cannot hold this model: model.norm='rms'.*Leave export.family out"):
        export(tmp_path / "export", {"pretrain": training}, family="bloom")
    with pytest.raises(ConfigError, match="family=opt has no effect with format=gguf"):
        api.export(training.path, tmp_path / "export", family="opt", file_format="gguf")


def test_roles_reach_the_tokenizer(special_tokenizer, tmp_path):
    training = builders.build_training_run(
        tmp_path / "pretrain", special_tokenizer, **{**models.FAMILIES["bert"], "num_kv_heads": 2}
    )
    folder = export(tmp_path / "export", {"pretrain": training}, verify=False).path
    theirs = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    text = special_tokenizer.text
    assert (theirs.cls_token, theirs.sep_token, theirs.mask_token) == ("<s>", "</s>", "<mask>")
    assert (theirs.pad_token, theirs.unk_token, theirs.eos_token) == ("<pad>", "<unk>", EOS_TOKEN)
    ids = theirs("The <mask> returns")["input_ids"]
    assert (ids[0], ids[-1]) == (text.before_ids[0], text.after_ids[0])
    assert text.mask_id in ids, "whoever uses an encoder writes the mask into the text"
    pair = theirs("one", "two")
    assert pair["input_ids"] == [*text.before_ids, *text.encode("one"), *text.after_ids, *text.encode("two"), *text.after_ids]
    assert {text.id_of(name) for name in ("<0>", "<1>", "<R>", "<pre>", "<mid>")} <= set(theirs.all_special_ids)


def test_an_encoder_without_a_head_is_compared_by_its_vectors(special_tokenizer, tmp_path):
    settings = models.FAMILIES["bert"] | {"num_kv_heads": 2, "head_bias": False, "head_transform": False}
    training = builders.build_training_run(tmp_path / "pretrain", special_tokenizer, **settings)
    exported = export(tmp_path / "export", {"pretrain": training})
    assert exported.result["verified"] is True
    assert ModelCard.load(exported.path / "README.md").data.pipeline_tag == "feature-extraction"


def test_a_checkpoint_alone_is_enough(line, tmp_path):
    result = export(tmp_path / "export", {"pretrain": line["pretrain"].final})
    card = (result.path / "README.md").read_text()
    assert result.result["verified"] is True
    assert "not at hand" in card
    assert "not evaluated" in card


def test_the_card_has_valid_metadata(exported):
    card = ModelCard.load(exported.path / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "transformers"
    assert card.data.pipeline_tag == "text-generation"
    assert card.data.language == ["en"]
    assert card.data.model_name == "tiny-one"
    assert card.data.eval_results[0].metric_value == 1.94
    head = (exported.path / "README.md").read_text().split("---\n")[1]
    assert set(yaml.safe_load(head)) <= {"license", "language", "library_name", "pipeline_tag", "tags", "model-index"}


def test_the_card_tells_the_story(line, exported):
    card = (exported.path / "README.md").read_text()
    assert card.split("---\n", 2)[2].strip().startswith("# tiny-one")
    assert "| own | MIT \\| own words &lt;b> | 4 |" in card
    assert "| docs | not stated | 0 | 0 B | 1 |" in card
    assert "2 × email, 1 × ip" in card
    assert "Of 7 documents (12.3 kB)" in card
    assert card.index("xz that has read") < card.index("**this model** | 1.940") < card.index("xz -9e") < card.index("unigram")
    for artifact in line.values():
        assert artifact.content_hash in card
    for word in ("None", "{{", "Undefined", "/tmp"):
        assert word not in card


def test_every_table_of_the_card_has_whole_rows(exported):
    card = (exported.path / "README.md").read_text()
    tables = [block for block in card.split("\n\n") if block.startswith("|")]
    assert len(tables) == 6
    for table in tables:
        widths = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(widths) == 1, table


def test_the_content_is_a_pure_function_of_the_inputs(line, exported, tmp_path):
    again = export(tmp_path / "export", line, licence="apache-2.0")
    assert again.content_hash == exported.content_hash
    assert {name for name, entry in again.manifest.files.items() if not entry.volatile} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


@pytest.mark.parametrize(
    "changes",
    [{"norm": "layer"}, {"position": "none"}, {"residual": "sandwich"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_the_layout_cannot_hold_is_refused_by_name(line, tmp_path, changes):
    tokenizer = builders.Tokenizer.open(line["curate"].path.parent / "tokenizer")
    training = builders.build_training_run(tmp_path / "pretrain", tokenizer, **changes)
    key, value = next(iter(changes.items()))
    with pytest.raises(ConfigError, match=f"model.{key}='{value}'"):
        export(tmp_path / "export", {"pretrain": training})


def test_a_failed_proof_leaves_no_finished_export(line, tmp_path):
    tokenizer = builders.Tokenizer.open(line["curate"].path.parent / "tokenizer")
    training = builders.build_training_run(tmp_path / "pretrain", tokenizer)
    whole = training.final.weights.read_bytes()
    tensors = load_file(training.final.weights)
    tensors["decoder.norm.weight"][0] = np.nan
    save_file(tensors, training.final.weights)
    with pytest.raises(VerificationError, match="not finite"):
        export(tmp_path / "export", {"pretrain": training})
    with pytest.raises(ArtifactError, match="not finished"):
        Artifact.open(tmp_path / "export")
    assert json.loads((tmp_path / "export" / "groundup_export.json").read_text())["verified"] is False
    assert "**Not verified**" in (tmp_path / "export" / "README.md").read_text()
    assert (tmp_path / "export" / "model.safetensors").is_file()
    training.final.weights.write_bytes(whole)
    assert export(tmp_path / "export", {"pretrain": training}).result["verified"] is True, "a rerun mends it"


def test_a_difference_above_the_tolerance_fails(tmp_path):
    verify.check_tolerance(tmp_path, 1e-4, 1e-4)
    with pytest.raises(VerificationError, match=r"up to 2\.00e-04, more than export\.tolerance=1e-04"):
        verify.check_tolerance(tmp_path, 2e-4, 1e-4)


def test_without_transformers_the_folder_is_written_and_the_command_fails(line, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(VerificationError, match=r"groundup\[hf\].*no-verify"):
        export(tmp_path / "export", line)
    assert (tmp_path / "export" / "model.safetensors").is_file()
    result = export(tmp_path / "export", line, verify=False).result
    assert result == {"format": "hf", "verified": False, "max_logit_difference": None}


def test_changed_weights_are_found(line, exported, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(exported.path, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 3] += 1.0
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    ours = load_model(line["pretrain"].final, resolve_device("cpu"))
    assert verify.max_logit_difference(folder, ours, torch.arange(64).view(1, 64)) > 1e-4


def test_another_tokenizer_is_found(line, exported, tmp_path):
    folder = tmp_path / "folder"
    shutil.copytree(exported.path, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    write_json(folder / "tokenizer_config.json", settings | {"split_special_tokens": False})
    ours = TextTokenizer.from_file(line["pretrain"].final.tokenizer_file)
    with pytest.raises(VerificationError, match="differs at token"):
        verify.compare_tokens(folder, ours, [verify.PAGE])


def test_the_input_may_be_a_run_or_a_checkpoint(line, tmp_path):
    from_run = export(tmp_path / "one", {"pretrain": line["pretrain"]}, verify=False)
    from_checkpoint = export(tmp_path / "two", {"pretrain": line["pretrain"].final}, verify=False)
    assert from_run.content_hash == from_checkpoint.content_hash
