"""Orders of single stages, from what a user says on the command line or in Python."""

import contextlib
import importlib
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from groundup.artifacts.artifact import Artifact
from groundup.artifacts.build import Order, check, goes_on, is_made, make, takes_up
from groundup.artifacts.checkpoint import Checkpoint, TrainingRun, find_checkpoint
from groundup.artifacts.documents import SPLIT_FOLDERS, Documents
from groundup.artifacts.manifest import MANIFEST
from groundup.artifacts.perplexity_model import PerplexityModel
from groundup.artifacts.plan import Plan
from groundup.artifacts.reports import Evaluation
from groundup.artifacts.text_classifier import TextClassifier
from groundup.artifacts.token_shards import TokenShards
from groundup.artifacts.tokenizer import TextTokenizer, Tokenizer
from groundup.artifacts.tokenizer_formats import read_tokenizer
from groundup.core.config import Config, nearest
from groundup.core.engines import ENGINES, Workers
from groundup.core.errors import ArtifactError, ConfigError
from groundup.core.log import say
from groundup.curate.classifier.config import ClassifierConfig
from groundup.curate.config import CurateConfig, check_apart
from groundup.curate.perplexity.training.config import PerplexityModelConfig
from groundup.encode.config import EncodeConfig
from groundup.export.config import ExportConfig
from groundup.hub.config import ImportConfig
from groundup.pipeline import STAGES, find_stage
from groundup.recipe import Recipe, apply_override, load_recipe, make_paths_absolute
from groundup.tokenizer.config import MODES, TokenizerConfig

DEFAULT_WORKERS = Workers()
ONE_WORKER = Workers(number=1)
DEFAULT_ENCODE = EncodeConfig()
A = TypeVar("A", bound=Artifact)
C = TypeVar("C", bound=Config)
Action = Literal["make", "skip", "go on", "replace"]


def curate_config(
    inputs: Sequence[Path],
    file_format: str | None,
    rules: str | None,
    validation: float | None,
    recipe: Path | None,
    overrides: Sequence[str],
    seed: int | None,
) -> tuple[CurateConfig, int]:
    """Return the settings of `groundup curate` and the seed: of the recipe, or of the inputs named one by one.

    None is not said; what is said beside a recipe would have no effect, and raises ConfigError.
    """
    if (recipe is None) == (not inputs):
        raise ConfigError("say either --input PATH (may be repeated) or --recipe RECIPE, not both")
    if recipe is not None:
        said = {"--format": file_format, "--rules": rules, "--validation": validation, "--seed": seed}
        idle = [option for option, value in said.items() if value is not None]
        if idle:
            raise ConfigError(f"{', '.join(idle)}: no effect beside --recipe, which says it; change the recipe, or use --set")
        loaded = load_recipe(recipe, [*overrides, "until=curate"])
        return loaded.curate, loaded.seed
    data: dict[str, Any] = {"sources": _sources(inputs, file_format or "auto")}
    if validation is not None:
        data["validation"] = validation
    if rules is not None:
        data["rules"] = [] if rules == "none" else rules.split(",")
    tree = {"curate": data}
    for override in overrides:
        if not override.startswith("curate."):
            raise ConfigError(f"--set {override}: without --recipe only keys of curate have an effect: --set curate.redact=false")
        apply_override(tree, override)
    make_paths_absolute(tree, Path.cwd())
    return CurateConfig.parse(data, "curate"), seed or 0


def _sources(inputs: Sequence[Path], file_format: str) -> list[dict[str, Any]]:
    names: list[str] = []
    for path in inputs:
        stem = re.sub(r"[^a-z0-9_.-]+", "-", path.resolve().stem.lower()).strip("_.-") or "text"
        numbered = (f"{stem}-{number}" for number in itertools.count(2))
        names.append(next(name for name in itertools.chain([stem], numbered) if name not in names))
    return [{"name": name, **_place(path, file_format)} for name, path in zip(names, inputs, strict=True)]


def _place(path: Path, file_format: str) -> dict[str, Any]:
    """Return where a source is: with format 'hf' a data set of the Hub, or a folder that one was saved to."""
    if file_format != "hf":
        return {"path": str(path.absolute()), "format": file_format}
    return {"path": str(path.absolute())} if path.exists() else {"kind": "hf", "dataset": path.as_posix()}


def workers(engine: str, number: int | None) -> Workers:
    """Return who does the work; raise ConfigError for an engine that there is none of."""
    if engine not in ENGINES:
        raise ConfigError(f"--engine {engine}: no such engine; {nearest(engine, list(ENGINES))}")
    return Workers(next(name for name in ENGINES if name == engine), number)


def order_curate(config: CurateConfig, out: Path, seed: int, workers: Workers = DEFAULT_WORKERS) -> Order:
    """Return the order to collect and curate text; raise ConfigError if `out` and a source overlap."""
    config.check_apart([out])
    sources = find_stage("curate").door().source_hashes(config)
    return _order("curate", out, config, seed, {}, sources=sources, workers=workers)


def examples_config(
    kind: type[C], verb: str, sides: Mapping[str, Sequence[Path]], file_format: str, text_field: str, settings: Mapping[str, Any]
) -> C:
    """Return the settings of a verb that learns from texts under several names (good and bad, reference and calibrate).

    What curate made is read for its training documents.
    """
    sources = {
        side: [{**source, "text_field": text_field} for source in _sources([*map(_documents, paths)], file_format)]
        for side, paths in sides.items()
    }
    return kind.parse({**sources, **settings}, verb)


def _documents(path: Path) -> Path:
    return Documents.open(path).path / SPLIT_FOLDERS["train"] if (path / MANIFEST).is_file() else path


def order_classifier(config: ClassifierConfig, out: Path, seed: int) -> Order:
    """Return the order to train a classifier on examples; raise ConfigError if `out` and a source overlap."""
    check_apart((*config.good, *config.bad), [out])
    sources = importlib.import_module("groundup.curate.classifier.run").source_hashes(config)
    return Order("curate.classifier", TextClassifier.kind, out, config, seed, sources=sources)


def order_perplexity(config: PerplexityModelConfig, out: Path, seed: int) -> Order:
    """Return the order to learn a perplexity model; raise ConfigError if `out` and a source overlap."""
    check_apart((*config.reference, *config.calibrate), [out])
    sources = importlib.import_module("groundup.curate.perplexity.training.run").source_hashes(config)
    return Order("curate.perplexity.training", PerplexityModel.kind, out, config, seed, sources=sources)


def tokenizer_config(
    algorithm: str, vocab_size: int, special: str | None, normalisation: str = "none", pre_tokenizer: str = "digits"
) -> TokenizerConfig:
    """Return the settings of `groundup tokenizer train`; `special` lists keys of tokenizer.special: mask,sentinels=100,modes."""
    cut = {"normalisation": normalisation, "pre_tokenizer": pre_tokenizer}
    data = {"algorithm": algorithm, "vocab_size": vocab_size, "special": _special(special) if special else {}, **cut}
    return TokenizerConfig.parse(data, "tokenizer train")


def _special(listed: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in listed.split(","):
        name, _, value = item.strip().partition("=")
        if name in found:
            raise ConfigError(f"--special {listed}: '{name}' stands there twice")
        if name == "modes":
            found[name] = value.split("+") if value else MODES
        else:
            found[name] = value or True
    if found.get("sentinels") is True:
        raise ConfigError(f"--special {listed}: say how many sentinels, for example sentinels=100")
    return found


def order_tokenizer(documents: Path, config: TokenizerConfig, out: Path, seed: int) -> Order:
    """Return the order to train a tokenizer."""
    return _order("tokenizer", out, config, seed, {"curate": Documents.open(documents)})


def open_tokenizer(path: Path) -> TextTokenizer:
    """Return the tokenizer of an artifact of ours, or of a file or folder of another tool."""
    if (path / MANIFEST).is_file():
        return Tokenizer.open(path).text
    engine, names = read_tokenizer(path)
    return TextTokenizer(engine, names, str(path))


def short_name(path: Path, others: Sequence[Path]) -> str:
    """Return the last part of the path, or all of it where another ends so too."""
    return path.name if [other.name for other in others].count(path.name) == 1 else str(path)


def order_tokenizer_import(source: Path, out: Path) -> Order:
    """Return the order to import a tokenizer."""
    config = TokenizerConfig.parse({"algorithm": "import", "path": str(source.absolute())}, "tokenizer import")
    return _order("tokenizer", out, config, 0, {}, sources=find_stage("tokenizer").door().source_hashes(config))


def order_tokenizer_extend(tokenizer: Path, documents: Path, num_tokens: int, out: Path, seed: int) -> Order:
    """Return the order to add tokens to a tokenizer."""
    data = {"algorithm": "extend", "path": str(tokenizer.absolute()), "new_tokens": num_tokens}
    config = TokenizerConfig.parse(data, "tokenizer extend")
    sources = find_stage("tokenizer").door().source_hashes(config)
    return _order("tokenizer", out, config, seed, {"curate": Documents.open(documents)}, sources=sources)


def encode_config(recipe: Path | None, overrides: Sequence[str]) -> tuple[EncodeConfig, int]:
    """Return the settings of `groundup encode` and the seed, of the recipe if there is one."""
    if recipe is not None:
        loaded = load_recipe(recipe, [*overrides, "until=encode"])
        return loaded.encode, loaded.seed
    if overrides:
        raise ConfigError("--set changes a recipe's keys and has no effect without --recipe")
    return EncodeConfig(), 0


def order_encode(
    documents: Path,
    tokenizer: Path,
    out: Path,
    workers: Workers = DEFAULT_WORKERS,
    config: EncodeConfig = DEFAULT_ENCODE,
    seed: int = 0,
) -> Order:
    """Return the order to encode documents."""
    inputs: dict[str, Artifact] = {"curate": Documents.open(documents), "tokenizer": Tokenizer.open(tokenizer)}
    return _order("encode", out, config, seed, inputs, workers=workers)


def order_plan(recipe: Recipe, shards: Path, out: Path) -> Order:
    """Return the order to plan a recipe's training on the shards."""
    return _order("plan", out, recipe.plan_config(), recipe.seed, {"encode": TokenShards.open(shards)}, recipe=recipe)


def order_export(
    checkpoint: Path, out: Path, file_format: str, verify: bool, gguf_type: str | None = None, family: str | None = None
) -> Order:
    """Return the order to export a checkpoint, with what its lineage holds for the model card."""
    settings = {"format": file_format, "family": family, "gguf_type": gguf_type, "verify": verify}
    config = ExportConfig.parse(settings, "export")
    found = find_checkpoint(checkpoint)
    return _order("export", out, config, found.manifest.seed, {"pretrain": found, **lineage_of(found.path.parent.parent)})


def check_evaluation(text: Path | None, tasks: str | None, data: Path | None, scratch: bool, dry_run: bool) -> list[Path]:
    """Return the task files of `groundup evaluate`; raise ConfigError if nothing is to be scored, or an option has no effect."""
    if (text is None) == (tasks is None):
        raise ConfigError("say what to score: either --text PATH, or --tasks TASK.yaml[,TASK2.yaml]")
    if tasks is not None:
        return [Path(name.strip()) for name in tasks.split(",")]
    said = {"--data": data is not None, "--scratch": scratch, "--dry-run": dry_run}
    idle = [option for option, there in said.items() if there]
    if idle:
        raise ConfigError(f"{', '.join(idle)}: no effect without --tasks; leave it out, or say which tasks")
    return []


def order_import(source: Path, tokenizer: Path | None, out: Path, verify: bool) -> Order:
    """Return the order to make a checkpoint of one of another tool."""
    data = {"source": str(source.absolute()), "tokenizer": str(tokenizer.absolute()) if tokenizer else None, "verify": verify}
    config = ImportConfig.parse(data, "hub import")
    sources = importlib.import_module("groundup.hub.run").source_hashes(config)
    return Order("hub", Checkpoint.kind, out, config, 0, sources=sources)


def lineage_of(run: Path) -> dict[str, Artifact]:
    """Return a training run's plan and documents, and the evaluation beside it, as far as they are still those of the run."""
    try:
        training = TrainingRun.open(run)
    except ArtifactError:
        return {}
    plan, shards = _made_from(training, "plan", Plan), _made_from(training, "encode", TokenShards)
    documents = _made_from(shards, "curate", Documents) if shards else None
    found: dict[str, Artifact | None] = {"plan": plan, "curate": documents, "evaluate": _evaluation_of(training)}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def _made_from(artifact: Artifact, name: str, kind: type[A]) -> A | None:
    """Return the input that the artifact was made from; None if it is gone, or another one lies there now."""
    with contextlib.suppress(ArtifactError, KeyError):
        entry = artifact.manifest.inputs[name]
        there = kind.open(artifact.path / entry.path)
        return there if there.content_hash == entry.content_hash else None
    return None


def _evaluation_of(training: TrainingRun) -> Evaluation | None:
    with contextlib.suppress(ArtifactError, KeyError):
        evaluation = Evaluation.open(training.path.parent / "evaluate")
        return evaluation if evaluation.manifest.inputs["pretrain"].content_hash == training.content_hash else None
    return None


def carry_out(order: Order, force: bool) -> None:
    """Make the order's artifact, or say that it is there already; with `force` make it anew whatever is there."""
    if not make(order, importlib.import_module(f"groundup.{order.stage}.run").run, replace=force, remake=force):
        say(f"{order.out}: already made with the same inputs and settings", style="dim")


def action(order: Order, force: bool) -> Action:
    """Return what `carry_out` would do; raise ArtifactError if it would refuse to."""
    if is_made(order) and not force:
        return "skip"
    place = check(order, replace=force, remake=force)
    if goes_on(order, place, remake=force) or takes_up(order, place, remake=force):
        return "go on"
    return "replace" if place.files else "make"


def preview(order: Order, force: bool = False) -> dict[str, Any]:
    """Return what `carry_out` would do, and with which settings; raise ArtifactError if it would refuse to."""
    said = {"skip": "skip, already made:", "go on": "go on with"}
    todo = action(order, force)
    stage = next((stage for stage in STAGES if stage.verb == order.stage and stage.foresees), None)  # others stand beside the line
    forecast = stage.door().foresee(order.config, order.job()) if stage is not None and todo in ("make", "replace") else None
    return {
        "stage": order.stage,
        "out": str(order.out),
        "action": said.get(todo, todo),
        "config": order.config.model_dump(mode="json"),
        **({"forecast": forecast.to_json()} if forecast is not None else {}),
    }


def _order(
    verb: str,
    out: Path,
    config: Config,
    seed: int,
    inputs: Mapping[str, Artifact],
    sources: Mapping[str, str] | None = None,
    recipe: Recipe | None = None,
    workers: Workers = DEFAULT_WORKERS,
) -> Order:
    stage = find_stage(verb)
    return Order(
        stage=verb,
        kind=stage.makes,
        out=out,
        config=config,
        seed=seed,
        device=recipe.device if recipe else "auto",
        inputs=inputs,
        sources=sources or {},
        recipe=recipe.resolved() if recipe else None,
        workers=recipe.workforce if recipe else workers,
        resumable=stage.resumable,
    )
