"""The command line: one verb a stage, and what walks, shows and uses what they make. No logic lives here."""

import dataclasses
import io
import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from groundup.cli_options import AsJson, CheckpointPath, Device, DryRun, Force, Out, Quiet, RecipePath, Set
from groundup.core.errors import GroundupError, Stopped, StorageError
from groundup.core.files import explain_os_error
from groundup.core.lazy import lazy
from groundup.core.log import console, set_quiet
from groundup.core.units import format_bytes, format_count

if TYPE_CHECKING:
    from groundup import api, diagnosis, lineage, orders
    from groundup import preview as previews
    from groundup import recipe as recipes
    from groundup.artifacts import build, reports, token_shards
    from groundup.artifacts import checkpoint as checkpoints
    from groundup.artifacts import documents as documents_
    from groundup.artifacts import plan as plans
    from groundup.artifacts import tokenizer as tokenizers
    from groundup.curate import explain as explanations
    from groundup.evaluate.tasks import lines as task_lines
else:
    api, diagnosis, lineage, orders, previews, recipes = (
        lazy(f"groundup.{name}") for name in ("api", "diagnosis", "lineage", "orders", "preview", "recipe")
    )
    checkpoints = lazy("groundup.artifacts.checkpoint")
    documents_, plans, reports = (lazy(f"groundup.artifacts.{name}") for name in ("documents", "plan", "reports"))
    token_shards, tokenizers = lazy("groundup.artifacts.token_shards"), lazy("groundup.artifacts.tokenizer")
    explanations, task_lines = lazy("groundup.curate.explain"), lazy("groundup.evaluate.tasks.lines")

INTERRUPTED = 130  # what a shell calls Ctrl-C
app = typer.Typer(
    name="groundup",
    help="Raw text and a compute budget in; a language model you can trust, explain and ship out. Start with: groundup demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
tokenizer_app = typer.Typer(help="Train tokenizers, and bring in those of others.", no_args_is_help=True)
plan_app = typer.Typer(help="Decide what to train, and predict what it takes.", no_args_is_help=True)
hub_app = typer.Typer(help="Bring in checkpoints of other tools.", no_args_is_help=True)
app.add_typer(tokenizer_app, name="tokenizer")
app.add_typer(plan_app, name="plan")
app.add_typer(hub_app, name="hub")


def _print(result: dict[str, Any], as_json: bool, text: Any) -> None:
    """Print the result on stdout: as JSON for machines, as text (or anything rich can draw) for people."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    else:
        Console(highlight=False, emoji=False, markup=False, soft_wrap=isinstance(text, str)).print(text)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path("runs/demo"),
    overrides: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Train, evaluate and export a small model on the text that every installation holds: about 6 minutes on 2 cores."""
    run(recipes.SHIPPED / "demo_cpu.yaml", out=out, overrides=overrides, as_json=as_json, quiet=quiet, dry_run=dry_run)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the recipe; NAME.yaml is written.")],
    template: Annotated[str, typer.Option("--from", help="The shipped recipe to copy.")] = "demo_cpu",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Copy a shipped recipe to start your own from."""
    set_quiet(quiet)
    path = api.new(name, template)
    _print({"recipe": str(path)}, as_json, f"{path} is yours: edit its sources and budget, then 'groundup run {path}'")


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipes, for completion and checks in your editor."""
    sys.stdout.write(recipes.recipe_schema())


@app.command()
def doctor(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Tell what this machine can do, what is missing, and how to mend it."""
    set_quiet(quiet)
    found = api.doctor()
    _print(found.model_dump(mode="json"), as_json, diagnosis.render(found))
    if not found.healthy:
        raise typer.Exit(2)


@app.command()
def run(
    recipe: RecipePath,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run; default runs/NAME.")] = None,
    overrides: Set = None,
    until: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")] = None,
    remake_from: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Make this stage and all after it anew.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Walk the whole line of a recipe; what is made already with the same inputs and settings is skipped."""
    set_quiet(quiet)
    loaded = recipes.load_recipe(recipe, overrides or [])
    if dry_run:
        folder = api.run_folder(loaded, out)
        _print_preview(loaded, folder, folder / "plan", api.preview(loaded, out, until, remake_from), as_json)
        return
    done = api.run(loaded, out, until, remake_from)
    _print(done.as_json(), as_json, done.render())


@app.command()
def show(
    artifact: Annotated[Path, typer.Argument(help="Any artifact, or a run of the line.")],
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file again and name the damaged ones.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what an artifact is, what it holds, and where it came from, back to the source files."""
    set_quiet(quiet)
    found = api.show(artifact, verify)
    _print(lineage.as_json(found), as_json, lineage.render(found))
    if found.problems:
        raise typer.Exit(2)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run of the line.")],
    out: Annotated[Path | None, typer.Option("--out", help="The page; default DIR/report.html.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Draw one self-contained page of a run: data, plan, training, evaluation, model card."""
    set_quiet(quiet)
    path = api.report(run_folder, out)
    _print({"report": str(path)}, as_json, str(path))


@app.command()
def curate(
    out: Out,
    inputs: Annotated[
        list[Path] | None, typer.Option("--input", help="File or folder of text, Markdown, JSONL or Parquet; may be repeated.")
    ] = None,
    file_format: Annotated[str | None, typer.Option("--format", help="auto (default), text, markdown, jsonl or parquet.")] = None,
    rules: Annotated[str | None, typer.Option(help="Rule sets, comma-separated; 'none' for none.")] = None,
    validation: Annotated[float | None, typer.Option(help="Share of documents held out; default 0.01.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="Take sources and settings from a recipe.")] = None,
    overrides: Set = None,
    seed: Annotated[int | None, typer.Option(help="Chooses the documents held out; default 0.")] = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Collect text and keep what is good of it; every drop is recorded with rule, value and threshold."""
    set_quiet(quiet)
    config, seed = orders.curate_config(inputs or [], file_format, rules, validation, recipe, overrides or [], seed)
    if not _make(orders.order_curate(config, out, seed), force, dry_run, as_json):
        return
    documents = documents_.Documents.open(out)
    counts = documents.manifest.counts
    kept = f"{out}: {counts['documents']:,} documents, {format_bytes(float(counts['bytes']))}"
    text = f"{kept}; 'groundup explain {out} ID' says why one was kept or dropped"
    _print({"out": str(out), "content_hash": documents.content_hash, **documents.funnel}, as_json, text)


@app.command()
def explain(
    documents: Annotated[Path, typer.Argument(metavar="DIR", help="What curate made.")],
    document_id: Annotated[str, typer.Argument(metavar="DOC_ID")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say why a document was kept or dropped, rule by rule, with values and thresholds."""
    set_quiet(quiet)
    explanation = api.explain(documents, document_id)
    _print(dataclasses.asdict(explanation), as_json, explanations.render(explanation))


@tokenizer_app.command("train")
def tokenizer_train(
    documents: Annotated[Path, typer.Option("--input", help="What curate made.")],
    out: Out,
    algorithm: Annotated[str, typer.Option(help="bpe (byte-level), wordpiece or unigram.")] = "bpe",
    vocab_size: Annotated[int, typer.Option(help="Tokens in all.")] = 4096,
    special: Annotated[str | None, typer.Option(help="More special tokens: pad,mask,sep,fill,modes,sentinels=100.")] = None,
    seed: int = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a tokenizer on curated documents."""
    set_quiet(quiet)
    config = orders.tokenizer_config(algorithm, vocab_size, special)
    if _make(orders.order_tokenizer(documents, config, out, seed), force, dry_run, as_json):
        _print_tokenizer(out, as_json)


@tokenizer_app.command("import")
def tokenizer_import(
    source: Annotated[Path, typer.Argument(help="Folder or file: tokenizer.json, vocab.json, vocab.txt, .model, .tiktoken.")],
    out: Out,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring in the tokenizer of another tool."""
    set_quiet(quiet)
    if _make(orders.order_tokenizer_import(source, out), force, dry_run, as_json):
        _print_tokenizer(out, as_json)


def _print_tokenizer(out: Path, as_json: bool) -> None:
    tokenizer = tokenizers.Tokenizer.open(out)
    result = {"out": str(out), "content_hash": tokenizer.content_hash, **tokenizer.facts}
    _print(result, as_json, f"{out}: {tokenizer.summary()}")


@app.command()
def encode(
    documents: Annotated[Path, typer.Option("--input", help="What curate made.")],
    tokenizer: Annotated[Path, typer.Option("--tokenizer", help="What tokenizer train or import made.")],
    out: Out,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn curated documents into memory-mapped token shards."""
    set_quiet(quiet)
    if not _make(orders.order_encode(documents, tokenizer, out), force, dry_run, as_json):
        return
    shards = token_shards.TokenShards.open(out)
    trained, held_out = (format_count(shards.total("tokens", split)) for split in documents_.SPLIT_FOLDERS)
    text = f"{out}: {trained} tokens to train on, {held_out} held out"
    _print({"out": str(out), "content_hash": shards.content_hash, **shards.info.model_dump(mode="json")}, as_json, text)


@plan_app.command("recipe")
def plan_recipe(
    recipe: RecipePath,
    shards: Annotated[Path, typer.Option("--input", help="What encode made.")],
    out: Out,
    overrides: Set = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Derive size, steps, precision, memory and time from a recipe's budget, and freeze them."""
    set_quiet(quiet)
    if not _make(orders.order_plan(recipes.load_recipe(recipe, overrides or []), shards, out), force, dry_run, as_json):
        return
    plan = plans.Plan.open(out)
    result = {"decisions": plan.decisions.model_dump(mode="json"), "forecast": plan.forecast.model_dump(mode="json")}
    _print({"out": str(out), "content_hash": plan.content_hash, **result}, as_json, "\n".join(plan.forecast.why))


@app.command()
def pretrain(
    recipe: RecipePath,
    out: Out,
    overrides: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Only go on with an interrupted run; do not start one.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a recipe's model; the stages before it are made in OUT.inputs. The same command goes on after an interruption."""
    set_quiet(quiet)
    loaded = recipes.load_recipe(recipe, overrides or [])
    if dry_run:
        stages = api.preview_pretrain(loaded, out, resume, force)
        _print_preview(loaded, out, api.inputs_folders(out)["plan"], stages, as_json)
        return
    trained = api.pretrain(loaded, out, resume, force)
    counts = trained.manifest.counts
    text = f"{trained.final.path}: {counts['steps']} steps, final loss {counts['final_loss']:.4f} nats/token"
    _print({"out": str(out), "checkpoint": str(trained.final.path), "content_hash": trained.content_hash, **counts}, as_json, text)


@app.command()
def preflight(recipe: RecipePath, out: Out, overrides: Set = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Check a recipe's training before it begins, in seconds: data, loss, gradient, memory, checkpoint; nothing is trained."""
    set_quiet(quiet)
    checks = api.preflight(recipes.load_recipe(recipe, overrides or []), out)
    found = {"out": str(out), "checks": [check.model_dump() for check in checks]}
    _print(found, as_json, f"{recipe}: all {len(checks)} checks passed; 'groundup pretrain {recipe} --out {out}' trains")


@app.command()
def evaluate(
    checkpoint: CheckpointPath,
    text: Annotated[Path | None, typer.Option("--text", help="UTF-8 file or folder of .txt and .md to score.")] = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", metavar="TASK,...", help="Task files (YAML) to fine-tune on and score.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Where examples' files start from; default the task file's folder.")
    ] = None,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Also tune the same model from random weights, and tell the gain.")
    ] = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score text (bits per byte, nats per token, perplexity), or what a model learns of tasks by fine-tuning (accuracy)."""
    set_quiet(quiet)
    files = orders.check_evaluation(text, tasks, data, scratch, dry_run)
    if text is not None:
        result = api.evaluate(checkpoint, text, device=device)
        line = (
            f"{result['bits_per_byte']:.4f} bits per byte, perplexity {result['perplexity']:.2f} over {result['tokens']:,} tokens"
        )
        _print(result, as_json, line)
    elif dry_run:
        found = api.preview_tasks(checkpoint, files, scratch, data)
        _print({"tasks": found}, as_json, task_lines.render_plan(found))
    else:
        found = api.evaluate_tasks(checkpoint, files, scratch, data, device)
        _print({"tasks": found}, as_json, task_lines.render_results(found))


@app.command()
def generate(
    checkpoint: CheckpointPath,
    prompt: Annotated[str, typer.Option("--prompt", help="The start of the text.")],
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the most probable token.")] = False,
    temperature: Annotated[float | None, typer.Option(help="Above 1 more varied, below 1 more sure; default 0.7.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Sample among the k most probable tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Sample among the likeliest tokens that hold this share; default 0.95.")
    ] = None,
    min_p: Annotated[float | None, typer.Option(help="Sample among tokens at least this share as probable as the best.")] = None,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1, tokens seen before are made less probable.")] = 1.0,
    num_beams: Annotated[int, typer.Option(help="Search the most probable text along so many at once.")] = 1,
    length_penalty: Annotated[float | None, typer.Option(help="Above 1 favours longer texts among beams; default 1.")] = None,
    stop: Annotated[list[str] | None, typer.Option("--stop", help="End before this text; may be repeated.")] = None,
    seed: int = 0,
    max_new_tokens: Annotated[int | None, typer.Option(help="Tokens to add at most; default as many as fit, at most 100.")] = None,
    precision: Annotated[str, typer.Option(help="Of the weights: fp32, or bf16, faster and less exact.")] = "fp32",
    device: Device = "auto",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go on with a prompt, token by token."""
    set_quiet(quiet)
    stream = api.generate(
        checkpoint,
        prompt,
        device,
        greedy=greedy,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        num_beams=num_beams,
        length_penalty=length_penalty,
        stop=stop or (),
        seed=seed,
        max_new_tokens=max_new_tokens,
        precision=precision,
    )
    if as_json:
        text = "".join(stream)
        _print({"prompt": prompt, "text": text}, True, None)
        return
    sys.stdout.write(prompt if api.goes_on(checkpoint) else "")
    for piece in stream:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


@app.command()
def export(
    checkpoint: CheckpointPath,
    out: Out,
    file_format: Annotated[str, typer.Option("--format", help="hf: a Hugging Face folder; gguf: a file for llama.cpp.")] = "hf",
    gguf_type: Annotated[str | None, typer.Option("--gguf-type", help="f32, f16 (the default), bf16, q8_0 or q4_0.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read the result back to compare logits.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ship a checkpoint as a folder that other tools load, proven equal logit by logit, with a model card."""
    set_quiet(quiet)
    if not _make(orders.order_export(checkpoint, out, file_format, not no_verify, gguf_type), force, dry_run, as_json):
        return
    exported = reports.Export.open(out)
    difference = exported.result["max_logit_difference"]
    proof = (
        "not verified"
        if difference is None
        else f"max |logit difference| {difference:.2e} {'to transformers' if file_format == 'hf' else 'read back'}"
    )
    _print({"out": str(out), "content_hash": exported.content_hash, **exported.result}, as_json, f"{out}: {proof}")


@hub_app.command("import")
def hub_import(
    source: Annotated[Path, typer.Argument(help="A Hugging Face folder (safetensors), a GGUF file, or a llama2.c file.")],
    out: Out,
    tokenizer: Annotated[Path | None, typer.Option("--tokenizer", help="Its tokenizer, where the source has none.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not compute with the model or compare it.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a checkpoint of one that another tool trained, to generate, evaluate, export or train on."""
    set_quiet(quiet)
    if not _make(orders.order_import(source, tokenizer, out, not no_verify), force, dry_run, as_json):
        return
    checkpoint = checkpoints.Checkpoint.open(out)
    found = checkpoint.imported
    difference = found["max_logit_difference"]
    checked = "results finite" if found["verified"] else "not verified"
    proof = checked if difference is None else f"max |difference| {difference:.2e} to transformers"
    text = f"{out}: {format_count(found['params'])} parameters from {found['format']}, {proof}"
    _print({"out": str(out), "content_hash": checkpoint.content_hash, **found}, as_json, text)


def _make(order: "build.Order", force: bool, dry_run: bool, as_json: bool) -> bool:
    """Carry out the order; with `dry_run` only say what would be done, and return False."""
    if dry_run:
        preview = orders.preview(order, force)
        _print(preview, as_json, f"would {preview['action']} {preview['out']}")
        return False
    orders.carry_out(order, force)
    return True


def _print_preview(recipe: "recipes.Recipe", out: Path, plan: Path, stages: dict[str, str], as_json: bool) -> None:
    course = previews.as_json(recipe, stages, plan)
    _print({"out": str(out), "stages": stages, "course": course}, as_json, previews.render(recipe, stages, plan))


def main() -> None:
    """Run the command line; exit 0 done, 1 our fault, 2 your input, 3 stopped on purpose."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the terminal cannot show
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    code: str | int | None = 0
    try:
        app()
    except SystemExit as exit_:
        code = exit_.code
        if code == INTERRUPTED:
            code = _fail("on request; the same command goes on from what is finished", Stopped.exit_code)
    except GroundupError as error:
        code = _fail(str(error), error.exit_code)
    except OSError as error:
        code = _fail(explain_os_error(error), StorageError.exit_code)
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Leave from wherever the program is. Not by KeyboardInterrupt: Python dies of it if it passes through an exec() of text."""
    raise SystemExit(INTERRUPTED)


def _fail(message: str, code: int) -> int:
    console.quiet = False
    console.print(Text.assemble(("stopped" if code == Stopped.exit_code else "error", "bold red"), " ", message))
    return code
