"""The model card: README.md with metadata that model hubs read."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined

from groundup.artifacts.special_tokens import SpecialNames
from groundup.core.markdown import cell
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.export import wording
from groundup.export.story import Story
from groundup.nn.formats import format_for
from groundup.nn.formats.peer import is_headless

TEMPLATE = Path(__file__).with_name("model_card.md.jinja")
_BASELINES = {
    "unigram": "unigram model of the training tokens",
    "bigram": "interpolated bigram model of the training tokens",
    "xz": "xz -9e of the held-out text",
    "xz_conditional": "xz that has read the training text",
}


def render_card(story: Story, proof: dict[str, Any], special: SpecialNames) -> str:
    """Return the card's text: metadata, then the story, with what verification found."""
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701  Markdown
    environment.filters.update(
        count=lambda value: format_count(float(value)),
        size=format_bytes,
        seconds=format_seconds,
        cell=cell,
        comma=lambda value: f"{value:,}",
    )
    body = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        story=story, proof=proof, scores=scores(story), special=special, words=wording, headless=is_headless(story.model)
    )
    text = f"---\n{metadata(story, proof).to_yaml()}\n---\n\n{body.strip()}\n"
    return str(ModelCard(text))


def metadata(story: Story, proof: dict[str, Any]) -> ModelCardData:
    """Return the card's metadata; the measured score goes where hubs look for results."""
    shape = story.model.shape
    task = "feature-extraction" if is_headless(story.model) else wording.PIPELINES[shape]
    results = []
    if scores(story):
        assert story.evaluation is not None
        results.append(
            EvalResult(
                task_type=task,
                dataset_type="held-out",
                dataset_name="held-out documents of the training sources",
                metric_type="bits_per_byte",
                metric_name="bits per byte",
                metric_value=round(float(story.evaluation["bits_per_byte"]), 4),
            )
        )
    is_gguf = proof["format"] == "gguf"
    return ModelCardData(
        license=story.licence,
        language=list(story.data.languages) or None if story.data else None,
        library_name="gguf" if is_gguf else "transformers",
        pipeline_tag=task,
        tags=[
            "groundup",
            format_for(story.model, proof.get("family")).model_type,
            wording.TAGS[shape],
            *([] if story.imported else ["trained-from-scratch"]),
        ],
        model_name=story.name if results else None,
        eval_results=results or None,
    )


def scores(story: Story) -> list[tuple[str, float]]:
    """Return (what, bits per byte) of the model and its baselines, the best first."""
    if not story.evaluation or "bits_per_byte" not in story.evaluation:
        return []
    rows = [("**this model**", float(story.evaluation["bits_per_byte"]))]
    rows += [(_BASELINES.get(name, name), float(bits)) for name, bits in story.evaluation.get("baselines", {}).items()]
    return sorted(rows, key=lambda row: row[1])
