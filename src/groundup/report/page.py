"""The page of a run."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from groundup.core.files import write_text
from groundup.core.units import format_bytes, format_count, format_seconds
from groundup.estimate.calibration.overview import AMOUNTS
from groundup.lineage import short
from groundup.report import view
from groundup.report.card import render_card
from groundup.report.figures import charts
from groundup.report.gather import RunFacts, gather, is_curation
from groundup.report.groups import drawn_groups
from groundup.report.histograms import drawn_histograms
from groundup.report.ink import DARK, LIGHT, css_variables
from groundup.report.sharing import components, shown

REPORT_FILE = "report.html"


def write_report(run: Path, out: Path | None = None) -> Path:
    """Write the page of the run folder as one file without anything from outside, and return its path.

    That is `report.html` in the folder by default; beside the folder, with its name, for a curation alone.
    Stages that are not made are left out. Raises ArtifactError if `run` holds none.
    """
    if out is None:
        out = run.resolve().with_name(f"{run.resolve().name}.{REPORT_FILE}") if is_curation(run) else run / REPORT_FILE
    write_text(out, render_page(gather(run)))
    return out


def render_page(facts: RunFacts) -> str:
    """Return the page as HTML; whatever comes from data is escaped."""
    template = _environment().get_template("page.html.jinja")
    return template.render(
        facts=facts,
        colours={"light": css_variables(LIGHT), "dark": css_variables(DARK)},
        headline=view.headline(facts),
        verdict=view.verdict(facts),
        tiles=view.tiles(facts),
        charts=charts(facts),
        processes=shown(facts.shares) if facts.shares is not None else (),
        state_names=components(facts.shares) if facts.shares is not None else (),
        memory_parts=view.memory_parts(facts),
        memory_total=sum(part.bytes for part in view.memory_parts(facts)),
        rules=view.rules(facts),
        events=view.events(facts),
        tokenizer_rows=view.tokenizer_rows(facts),
        scores=view.scores(facts),
        settings=view.settings(facts),
        environment=view.environment(facts),
        histograms=drawn_histograms(facts.curation.histograms) if facts.curation is not None else {},
        group_drawings=drawn_groups(facts.curation.groups) if facts.curation is not None else [],
        data_card=render_card(facts.curation.card_text) if facts.curation is not None else None,
        card=render_card(facts.card) if facts.card is not None else None,
        recipe=_as_yaml(facts.recipe) if facts.recipe is not None else None,
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("groundup.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        size=format_bytes,
        short=short,
        span=format_seconds,
        si=lambda value: format_count(float(value)),
        number=lambda value: f"{value:,}",
        fixed=lambda value: f"{value:.2f}",
        share=lambda value: f"{value:.1%}",
        signed=lambda value: f"{value:+.1%}".replace("-", "\u2212"),
        points=lambda value: f"{100 * value:+.1f}".replace("-", "\u2212"),
        amount=lambda what: AMOUNTS[what],
        words=lambda value: str(value).replace("_", " "),
        count_value=view.count_value,
        measured=lambda value: f"{value:,.0f}" if value >= 1000 else f"{value:.4g}",
        quantity=view.quantity,
    )
    return environment


def _as_yaml(recipe: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    return text
