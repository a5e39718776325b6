"""Commands that train models, and use and ship them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundup.cli.options import AsJson, CheckpointPath, Device, DryRun, Force, Out, Quiet, RecipePath, Set
from groundup.cli.root import app, hub_app, make, plan_app, print_preview, print_result
from groundup.core.lazy import lazy
from groundup.core.log import set_quiet
from groundup.core.units import format_count

if TYPE_CHECKING:
    from groundup import api, orders, pipeline
    from groundup import preview as previews
    from groundup import recipe as recipes
    from groundup.artifacts import checkpoint as checkpoints
    from groundup.artifacts import plan as plans
    from groundup.artifacts import reports
    from groundup.evaluate.tasks import lines as task_lines
    from groundup.plan import catalogue
else:
    api, orders, pipeline = (lazy(f"groundup.{name}") for name in ("api", "orders", "pipeline"))
    previews, recipes = lazy("groundup.preview"), lazy("groundup.recipe")
    checkpoints, plans, reports = (lazy(f"groundup.artifacts.{name}") for name in ("checkpoint", "plan", "reports"))
    task_lines, catalogue = lazy("groundup.evaluate.tasks.lines"), lazy("groundup.plan.catalogue")


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
    if not make(orders.order_plan(recipes.load_recipe(recipe, overrides or []), shards, out), force, dry_run, as_json):
        return
    plan = plans.Plan.open(out)
    result = {"decisions": plan.decisions.model_dump(mode="json"), "forecast": plan.forecast.model_dump(mode="json")}
    print_result({"out": str(out), "content_hash": plan.content_hash, **result}, as_json, "\n".join(plan.forecast.why))


@plan_app.command("models")
def plan_models(
    part: Annotated[str, typer.Argument(metavar="NAME", help="Part of a name or family; all without it.")] = "",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List published models with their exact number of parameters; a recipe takes one as model.preset."""
    set_quiet(quiet)
    found = api.plan_models(part)
    print_result({"models": [vars(model) for model in found]}, as_json, catalogue.render_models(found))


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
        print_preview(loaded, out, api.inputs_folders(out)["plan"], stages, as_json)
        return
    trained = api.pretrain(loaded, out, resume, force)
    counts = trained.manifest.counts
    text = f"{trained.final.path}: {counts['steps']} steps, final loss {counts['final_loss']:.4f} nats/token"
    print_result(
        {"out": str(out), "checkpoint": str(trained.final.path), "content_hash": trained.content_hash, **counts}, as_json, text
    )


@app.command()
def preflight(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option("--out", help="The folder that 'groundup pretrain', or 'groundup run', has or will have.")],
    overrides: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check a recipe's training before it begins, in seconds: data, loss, gradient, memory, checkpoint; nothing is trained."""
    set_quiet(quiet)
    checks = api.preflight(recipes.load_recipe(recipe, overrides or []), out)
    found = {"out": str(out), "checks": [check.model_dump() for check in checks]}
    verb = "run" if pipeline.is_line(out) else "pretrain"
    print_result(found, as_json, f"{recipe}: all {len(checks)} checks passed; 'groundup {verb} {recipe} --out {out}' trains")


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
        print_result(result, as_json, line)
    elif dry_run:
        found = api.preview_tasks(checkpoint, files, scratch, data)
        print_result({"tasks": found}, as_json, task_lines.render_plan(found))
    else:
        found = api.evaluate_tasks(checkpoint, files, scratch, data, device)
        print_result({"tasks": found}, as_json, task_lines.render_results(found))


@app.command()
def generate(
    checkpoint: CheckpointPath,
    prompts: Annotated[list[str], typer.Option("--prompt", help="The start of the text; may be repeated.")],
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
    """Go on with a prompt, token by token; or with several, decoded together."""
    set_quiet(quiet)
    settings: dict[str, Any] = {
        "greedy": greedy,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "num_beams": num_beams,
        "length_penalty": length_penalty,
        "stop": stop or (),
        "seed": seed,
        "max_new_tokens": max_new_tokens,
        "precision": precision,
    }
    follows = "{prompt}{text}" if api.goes_on(checkpoint) else "{text}"
    if len(prompts) > 1:
        texts = api.generate_texts(checkpoint, prompts, device, **settings)
        found = [{"prompt": prompt, "text": text} for prompt, text in zip(prompts, texts, strict=True)]
        print_result({"texts": found}, as_json, "\n".join(follows.format(**each) for each in found))
        return
    stream = api.generate(checkpoint, prompts[0], device, **settings)
    if as_json:
        print_result({"prompt": prompts[0], "text": "".join(stream)}, True, None)
        return
    sys.stdout.write(follows.format(prompt=prompts[0], text=""))
    for piece in stream:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")


@app.command()
def export(
    checkpoint: CheckpointPath,
    out: Out,
    file_format: Annotated[str, typer.Option("--format", help="hf: a Hugging Face folder; gguf: a file for llama.cpp.")] = "hf",
    family: Annotated[
        str | None, typer.Option("--family", help="Layout of the folder: llama, opt, ...; default: the first that holds the model.")
    ] = None,
    gguf_type: Annotated[str | None, typer.Option("--gguf-type", help="f32, f16 (the default), bf16, q8_0 or q4_0.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not read the result back to compare logits.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ship a checkpoint as a folder that other tools load, proven equal logit by logit, with a model card."""
    set_quiet(quiet)
    if not make(orders.order_export(checkpoint, out, file_format, not no_verify, gguf_type, family), force, dry_run, as_json):
        return
    exported = reports.Export.open(out)
    difference = exported.result["max_logit_difference"]
    proof = (
        "not verified"
        if difference is None
        else f"max |logit difference| {difference:.2e} {'to transformers' if file_format == 'hf' else 'read back'}"
    )
    print_result({"out": str(out), "content_hash": exported.content_hash, **exported.result}, as_json, f"{out}: {proof}")


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
    if not make(orders.order_import(source, tokenizer, out, not no_verify), force, dry_run, as_json):
        return
    checkpoint = checkpoints.Checkpoint.open(out)
    found = checkpoint.imported
    difference = found["max_logit_difference"]
    checked = "results finite" if found["verified"] else "not verified"
    proof = checked if difference is None else f"max |difference| {difference:.2e} to transformers"
    text = f"{out}: {format_count(found['params'])} parameters from {found['format']}, {proof}"
    print_result({"out": str(out), "content_hash": checkpoint.content_hash, **found}, as_json, text)
