"""The verbs as functions: what the command line calls, for use from Python."""

import importlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from groundup import orders, pipeline
from groundup.api.budgets import plan_budget as plan_budget
from groundup.api.budgets import plan_compute as plan_compute
from groundup.api.budgets import plan_hardware as plan_hardware
from groundup.api.choosing import plan_choose as plan_choose
from groundup.api.curation import explain as explain
from groundup.api.curation import fetch as fetch
from groundup.api.curation import preview_fetch as preview_fetch
from groundup.api.curation import run_split as run_split
from groundup.api.curation import write_sbatch as write_sbatch
from groundup.api.ladder import scaling_band as scaling_band
from groundup.api.ladder import scaling_sweep as scaling_sweep
from groundup.api.layouts import plan_layout as plan_layout
from groundup.api.memory import plan_memory as plan_memory
from groundup.api.memory import simulate_memory as simulate_memory
from groundup.api.scaling import scaling_fit as scaling_fit
from groundup.api.scaling import scaling_forecast as scaling_forecast
from groundup.api.scaling import scaling_picture as scaling_picture
from groundup.artifacts.build import Job
from groundup.artifacts.checkpoint import Checkpoint, TrainingRun, find_checkpoint
from groundup.artifacts.documents import Documents
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.perplexity_model import PerplexityModel
from groundup.artifacts.place import look
from groundup.artifacts.plan import Plan
from groundup.artifacts.reports import EVALUATION_FILE, Evaluation, Export
from groundup.artifacts.text_classifier import TextClassifier
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import Tokenizer
from groundup.core.engines.base import Workers
from groundup.core.errors import ArtifactError, ConfigError, VerificationError
from groundup.core.files import write_bytes
from groundup.curate.classifier.config import ClassifierConfig
from groundup.curate.config import CurateConfig
from groundup.curate.perplexity.training.config import PerplexityModelConfig
from groundup.encode.config import EncodeConfig
from groundup.evaluate.config import EvaluateConfig
from groundup.evaluate.pieces import find_texts, read_pieces
from groundup.evaluate.tasks.config import TaskConfig
from groundup.evaluate.tasks.load import load_task
from groundup.launching import lead
from groundup.lineage import Lineage, lineage
from groundup.nn.config import GenerationConfig
from groundup.plan import formats as formats_plan
from groundup.plan.catalogue import PublishedModel, published_models
from groundup.plan.numbers import Numbers
from groundup.recipe import SHIPPED, Recipe, load_recipe
from groundup.tokenizer.compare import Comparison, compare
from groundup.tokenizer.terms import characteristic, count_terms


@dataclass(frozen=True)
class LineRun:
    """A walk of the line that came to its end."""

    path: Path
    made: dict[str, bool]
    """Stage -> True if it was made now, False if it was there already."""

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def evaluation(self) -> Evaluation:
        return Evaluation.open(self.path / "evaluate")

    def as_json(self) -> dict[str, Any]:
        """Return paths, what was made, and the evaluation if the line went that far."""
        result: dict[str, Any] = {"out": str(self.path), "report": str(self.report), "made": self.made}
        if "evaluate" in self.made:
            result["evaluation"] = {key: value for key, value in self.evaluation.result.items() if key != "samples"}
        if "export" in self.made:
            result["export"] = str(self.path / "export")
        return result

    def render(self) -> str:
        """Return what came out, for a person."""
        lines = []
        if "evaluate" in self.made:
            result = self.evaluation.result
            if "bits_per_byte" in result:
                baselines = ", ".join(f"{name} {value:.3f}" for name, value in result["baselines"].items())
                lines.append(f"{result['bits_per_byte']:.3f} bits per byte on held-out text ({baselines})")
            if found := result.get("objective"):
                lines.append(
                    f"{found['nll_per_target']:.3f} nats a hidden token of held-out text, {found['accuracy']:.1%} right "
                    f"(unigram {found['unigram']['nll_per_target']:.3f}, {found['unigram']['accuracy']:.1%})"
                )
        lines.append(f"report      {self.report}")
        if "export" in self.made:
            lines.append(f"model       {self.path / 'export'}  (Hugging Face folder)")
            prompt = next((sample["prompt"] for sample in self.evaluation.result["samples"]), "The")
            lines.append(f'try it      groundup generate {self.path} --prompt "{prompt}"')
        return "\n".join(lines)


def run(recipe: Recipe | Path, out: Path | None = None, until: str | None = None, remake_from: str | None = None) -> LineRun:
    """Walk the line of `recipe` in `out` (default runs/NAME), skip what is made, and draw the report."""
    recipe = as_recipe(recipe)
    out = run_folder(recipe, out)
    made: dict[str, bool] = {}
    with lead(recipe, pipeline.line_folders(out)) as leads:
        if leads:
            try:
                made = pipeline.run_line(recipe, out, until or recipe.until, remake_from)
            except VerificationError:
                publish(out)  # everything but the proof is there, and worth a look
                raise
            publish(out)
    return LineRun(out, made)


def publish(out: Path) -> None:
    """Bring evaluation.json and report.html of a run up to its artifacts."""
    finished = [folder for folder in pipeline.line_folders(out).values() if (folder / MANIFEST).is_file()]
    newest_s = max((folder.stat().st_mtime for folder in finished), default=0.0)
    page = out / "report.html"
    if finished and not (page.is_file() and page.stat().st_mtime >= newest_s):
        evaluation = out / "evaluate" / EVALUATION_FILE
        if (evaluation.parent / MANIFEST).is_file():
            write_bytes(out / EVALUATION_FILE, evaluation.read_bytes())
        report(out)


def run_folder(recipe: Recipe, out: Path | None) -> Path:
    """Return where a run of the recipe lies: `out`, or runs/NAME."""
    return out or Path("runs") / recipe.name


def preview(recipe: Recipe, out: Path | None = None, until: str | None = None, remake_from: str | None = None) -> dict[str, str]:
    """Return what `run` would do with each stage."""
    return pipeline.preview(
        recipe, pipeline.line_folders(run_folder(recipe, out)), pipeline.stages_until(until or recipe.until), remake_from
    )


def demo(out: Path | None = None) -> LineRun:
    """Run the demo recipe: from the text that every installation holds to an exported model."""
    return run(SHIPPED / "demo_cpu.yaml", out)


def new(name: str, template: str = "demo_cpu", folder: Path | None = None) -> Path:
    """Copy a shipped recipe to NAME.yaml, to start from; an existing file is not touched."""
    source = SHIPPED / f"{template}.yaml"
    if not source.is_file():
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise ConfigError(f"no shipped recipe '{template}'; there are: {known}")
    target = (folder or Path()) / f"{name.removesuffix('.yaml')}.yaml"
    if target.exists():
        raise ConfigError(f"{target}: exists already; choose another name")
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(f"name: {json.dumps(target.stem)}\n" if line.startswith("name:") else line for line in lines)
    Recipe.parse(yaml.safe_load(text), str(target))
    write_bytes(target, text.encode())
    return target


def curate(
    config: CurateConfig, out: Path, seed: int = 0, force: bool = False, workers: Workers = orders.DEFAULT_WORKERS
) -> Documents:
    """Collect and curate text into `out`."""
    orders.carry_out(orders.order_curate(config, out, seed, workers), force)
    return Documents.open(out)


def train_classifier(config: ClassifierConfig, out: Path, seed: int = 0, force: bool = False) -> TextClassifier:
    """Train a classifier on good and bad examples, for the measure `classifier_score` of `curate.rules`."""
    orders.carry_out(orders.order_classifier(config, out, seed), force)
    return TextClassifier.open(out)


def train_perplexity(config: PerplexityModelConfig, out: Path, seed: int = 0, force: bool = False) -> PerplexityModel:
    """Learn an n-gram model of good text, for `curate.perplexity` and the measure `perplexity` of `curate.rules`."""
    orders.carry_out(orders.order_perplexity(config, out, seed), force)
    return PerplexityModel.open(out)


def train_tokenizer(
    documents: Path,
    out: Path,
    vocab_size: int = 4096,
    algorithm: str = "bpe",
    special: str | None = None,
    seed: int = 0,
    force: bool = False,
    normalisation: str = "none",
    pre_tokenizer: str = "digits",
) -> Tokenizer:
    """Train a tokenizer on curated documents: bpe (byte-level), wordpiece or unigram.

    `special` lists what it has beside the end of documents: "mask,sep,pad,fill,chat,modes,sentinels=100".
    """
    config = orders.tokenizer_config(algorithm, vocab_size, special, normalisation, pre_tokenizer)
    orders.carry_out(orders.order_tokenizer(documents, config, out, seed), force)
    return Tokenizer.open(out)


def import_tokenizer(source: Path, out: Path, force: bool = False) -> Tokenizer:
    """Bring in the tokenizer of another tool: a file, or a folder in the layout of Hugging Face."""
    orders.carry_out(orders.order_tokenizer_import(source, out), force)
    return Tokenizer.open(out)


def extend_tokenizer(tokenizer: Path, documents: Path, num_tokens: int, out: Path, seed: int = 0, force: bool = False) -> Tokenizer:
    """Add at most `num_tokens` terms of curated documents to a tokenizer (ours, or another tool's), whose ids stay as they are.

    `Tokenizer.new_pieces` says what each new token stands for, of which `nn.new_rows.with_new_rows` makes rows of an embedding.
    """
    orders.carry_out(orders.order_tokenizer_extend(tokenizer, documents, num_tokens, out, seed), force)
    return Tokenizer.open(out)


def tokenizer_compare(
    tokenizers: Sequence[Path],
    text: Path,
    words: Sequence[str] | None = None,
    general: Path | None = None,
    max_bytes: int = 20_000_000,
) -> Comparison:
    """Measure tokenizers (ours, or files of others) on the first bytes of a text: a file, a folder of files, or what curate made.

    `words` are domain words whose tokens are counted; without them the 20 most telling ones against `general` text.
    """
    named = {orders.short_name(path, tokenizers): orders.open_tokenizer(path) for path in tokenizers}
    if words is None and general is not None:
        counts = count_terms(_texts(general))
        words = characteristic(_texts(text), counts, count=20)
    return compare(named, _texts(text), words or [], max_bytes)


def _texts(path: Path) -> Iterator[str]:
    """Yield the text of a curate artifact (what is held out, if anything is), of a file, or of the text files of a folder."""
    if (path / MANIFEST).is_file():
        documents = Documents.open(path)
        held_out = next(documents.read("validation"), None) is not None
        yield from (document.text for document in documents.read("validation" if held_out else "train"))
    else:
        for file in find_texts(path):
            yield from read_pieces(file)


def encode(
    documents: Path,
    tokenizer: Path,
    out: Path,
    force: bool = False,
    workers: Workers = orders.DEFAULT_WORKERS,
    config: EncodeConfig = orders.DEFAULT_ENCODE,
    seed: int = 0,
) -> TokenShards:
    """Turn curated documents into token shards; `config.mix` says how much of each source."""
    orders.carry_out(orders.order_encode(documents, tokenizer, out, workers, config, seed), force)
    return TokenShards.open(out)


def plan(recipe: Recipe | Path, shards: Path, out: Path, force: bool = False) -> Plan:
    """Decide what to train on the shards, and predict what it takes."""
    orders.carry_out(orders.order_plan(as_recipe(recipe), shards, out), force)
    return Plan.open(out)


def plan_models(part: str = "") -> list[PublishedModel]:
    """Return the published models with `part` in their name or family; a recipe takes one as `model.preset`."""
    return published_models(part)


def plan_formats(value: float | str | None = None, formats: Sequence[str] | str | None = None, **options: Any) -> Numbers:
    """Return how number formats ("fp32,int8"; None: all) store a value, a tensor or a model.

    Options as of the command: absmax, tensor, name, normal, seed, group_size, params, model (`plan.formats.answer`).
    """
    return formats_plan.answer(value, formats, **options)


def plan_calibration(forget: bool = False) -> Any:
    """Return how far plans on this machine were off, and what corrects the next one (`plan.calibration`); `forget` removes it."""
    return importlib.import_module("groundup.plan.calibration").plan_calibration(forget)


def pretrain(recipe: Recipe | Path, out: Path, resume: bool = False, force: bool = False) -> TrainingRun:
    """Train the recipe's model in `out`; the stages before it are made, or found made, in `OUT.inputs/`.

    An interrupted run with the same recipe goes on from its newest checkpoint; `resume=True` refuses to start a new one,
    `force=True` replaces whatever was trained in `out`.
    """
    recipe = as_recipe(recipe)
    _check_resume(out, resume, force)
    folders = inputs_folders(out)
    look(out)
    with lead(recipe, folders) as leads:
        if leads:
            pipeline.check_processes(recipe)
            pipeline.run_line(recipe, folders["curate"].parent, until="plan")
            orders.carry_out(pipeline.order_stage(pipeline.find_stage("pretrain"), recipe, folders), force)
    return TrainingRun.open(out)


def preflight(recipe: Recipe | Path, out: Path) -> Any:
    """Check the training that `pretrain` would do, or `run` in its folder, and return the checks; nothing is trained.

    The stages before it are made. Raises VerificationError if a check fails.
    """
    recipe = as_recipe(recipe)
    stage = pipeline.find_stage("pretrain")
    if pipeline.is_line(out):
        folders = pipeline.line_folders(out)
    else:
        folders = inputs_folders(out)
        look(out)
    pipeline.run_line(recipe, folders["curate"].parent, until="plan")
    order = pipeline.order_stage(stage, recipe, folders)
    job = Job(folders["plan"].parent, order.seed, order.device, order.inputs, parallel=order.parallel)
    return stage.door().check(order.config, job)


def preview_pretrain(recipe: Recipe, out: Path, resume: bool = False, force: bool = False) -> dict[str, str]:
    """Return what `pretrain` would do with each stage."""
    _check_resume(out, resume, force)
    stage, folders = pipeline.find_stage("pretrain"), inputs_folders(out)
    look(out)
    steps = pipeline.preview(recipe, folders, pipeline.stages_until("plan"))
    waiting = [verb for verb in stage.eats if steps[verb] != "skip"]
    if waiting:
        return {**steps, "pretrain": f"make, after {', '.join(waiting)}"}
    return {**steps, "pretrain": orders.action(pipeline.order_stage(stage, recipe, folders), force)}


def _check_resume(out: Path, resume: bool, force: bool) -> None:
    if resume and force:
        raise ConfigError("--resume goes on with what --out holds, --force replaces it; say one of them")
    if resume and not any((out / "checkpoints").glob("step-*/manifest.json")):
        raise ArtifactError(f"{out}: nothing to resume: no finished checkpoint there; leave --resume out to start")


def inputs_folders(out: Path) -> dict[str, Path]:
    """Return where `pretrain --out OUT` keeps the artifacts of the stages before it."""
    if not out.name:
        raise ConfigError(f"--out {out}: needs a name, as the stages before it are made in NAME.inputs beside it")
    return {**pipeline.line_folders(out.with_name(out.name + ".inputs")), "pretrain": out}


def evaluate(checkpoint: Path, text: Path, config: EvaluateConfig | None = None, device: str = "auto") -> dict[str, Any]:
    """Score text with a checkpoint: bits_per_byte, nll_per_token [nats], perplexity, tokens, bytes."""
    scorer = importlib.import_module("groundup.evaluate.text")
    result: dict[str, Any] = scorer.evaluate_text(find_checkpoint(checkpoint), text, device, config or EvaluateConfig())
    return result


def evaluate_tasks(
    checkpoint: Path, tasks: Sequence[TaskConfig | Path], scratch: bool = False, data: Path | None = None, device: str = "auto"
) -> dict[str, Any]:
    """Fine-tune a checkpoint on each task; with `scratch` also the same model from random weights, to say what pretraining gained.

    Returns {task: {"metric", "mean", "per_seed", "interval_95", "baseline_majority", ...}}. Task files may be given by path; the
    files of examples that they name start from `data`, by default their own folder.
    """
    scorer = importlib.import_module("groundup.evaluate.tasks.score")
    result: dict[str, Any] = scorer.score_tasks(find_checkpoint(checkpoint), _as_tasks(tasks, data), scratch, device)
    return result


def preview_tasks(
    checkpoint: Path, tasks: Sequence[TaskConfig | Path], scratch: bool = False, data: Path | None = None
) -> dict[str, Any]:
    """Return what `evaluate_tasks` would train on each task, having checked everything."""
    preparer = importlib.import_module("groundup.evaluate.tasks.prepare")
    result: dict[str, Any] = preparer.preview_tasks(find_checkpoint(checkpoint), _as_tasks(tasks, data), scratch)
    return result


def _as_tasks(tasks: Sequence[TaskConfig | Path], data: Path | None) -> list[TaskConfig]:
    return [task if isinstance(task, TaskConfig) else load_task(task, data) for task in tasks]


def generate(
    checkpoint: Path,
    prompt: str,
    device: str = "auto",
    **settings: Any,
) -> Iterator[str]:
    """Return an iterator over pieces of text that follow the prompt: `max_new_tokens`, by default as many as fit, at most 100.

    Settings are those of `groundup.nn.config.GenerationConfig`: temperature (0.7 unless said), top_k, top_p (0.95), min_p, greedy,
    repetition_penalty, num_beams, length_penalty, stop, seed, max_new_tokens, precision (fp32). One that another leaves without
    effect raises ConfigError.
    """
    config = GenerationConfig.parse(settings, "generate")
    writer = importlib.import_module("groundup.nn.text")
    pieces: Iterator[str] = writer.continue_text(
        find_checkpoint(checkpoint),
        prompt,
        config,
        device,
    )
    return pieces


def generate_texts(checkpoint: Path, prompts: Sequence[str], device: str = "auto", **settings: Any) -> list[str]:
    """Return what follows each of the prompts, decoded together; settings as in `generate`, the seed the same for each prompt."""
    config = GenerationConfig.parse(settings, "generate")
    writer = importlib.import_module("groundup.nn.text")
    texts: list[str] = writer.continue_texts(find_checkpoint(checkpoint), prompts, config, device)
    return texts


def goes_on(checkpoint: Path) -> bool:
    """Return whether what the checkpoint generates follows the prompt; an encoder-decoder answers it, an encoder fills it in."""
    return find_checkpoint(checkpoint).model_config.get("shape", "decoder") in ("decoder", "prefix_decoder")


def export(
    checkpoint: Path,
    out: Path,
    verify: bool = True,
    force: bool = False,
    file_format: str = "hf",
    gguf_type: str | None = None,
    family: str | None = None,
) -> Export:
    """Ship a checkpoint as a Hugging Face folder ("hf") or GGUF file ("gguf"), read back and compared logit by logit.

    `family` says whose layout the folder has ("opt", "mistral", ...); None: the first that can hold the model.
    """
    orders.carry_out(orders.order_export(checkpoint, out, file_format, verify, gguf_type, family), force)
    return Export.open(out)


def import_checkpoint(
    source: Path, out: Path, tokenizer: Path | None = None, verify: bool = True, force: bool = False
) -> Checkpoint:
    """Make a checkpoint of a Hugging Face folder, a GGUF file or a llama2.c file."""
    orders.carry_out(orders.order_import(source, tokenizer, out, verify), force)
    return Checkpoint.open(out)


def report(run_folder: Path, out: Path | None = None) -> Path:
    """Draw the page of a run of the line."""
    page: Path = importlib.import_module("groundup.report.page").write_report(run_folder, out)
    return page


def show(artifact: Path, verify: bool = False) -> Lineage:
    """Return what an artifact is, and where it came from, back to the source files."""
    return lineage(artifact, verify)


def doctor() -> Any:
    """Return what this machine can do, what is missing, and how to mend it."""
    return importlib.import_module("groundup.diagnosis").diagnose()


def as_recipe(recipe: Recipe | Path) -> Recipe:
    """Return the recipe, read from its file if a path is given."""
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
