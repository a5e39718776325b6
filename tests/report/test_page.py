"""The page: complete, self-contained, safe, and there however far the run has come."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from fake_run import make_run
from groundup.core.errors import ArtifactError, StorageError
from groundup.pipeline import VERBS
from groundup.report.page import write_report
from seen_page import EVIL, Page


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("page") / "demo")


@pytest.fixture(scope="module")
def html(made: Path) -> str:
    return write_report(made).read_text()


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "demo")


def test_it_tells_the_whole_run(html: str) -> None:
    text = Page(html).text
    for words in ("5.87M-parameter", "1.94", "bigrams 2.46", "✓ yes", "gopher-2021", "too few stop words", "PSF-2.0"):
        assert words in text
    for section in ("result", "training", "forecast", "samples", "text", "plan", "line", "card", "environment"):
        assert f'<section id="{section}">' in html
    for verb in VERBS:
        assert verb in text


def test_it_tells_what_was_read_and_how_held_out_text_was_predicted_on_the_way(html: str) -> None:
    text = Page(html).text
    assert "licences 35,840 0.47 2.94 1.98" in text
    assert "that of held-out text from 5.89 to 3.95" in " ".join(Page(html).values("aria-label"))
    assert "Return the <i>text</i> of step 24 " in text


def test_a_run_that_was_not_evaluated_on_the_way_shows_the_finished_model(tmp_path: Path) -> None:
    def pretrain(folder: Path) -> None:
        (folder / "evaluations.jsonl").unlink()
        (folder / "sources.json").unlink()

    page = Page(write_report(make_run(tmp_path / "demo", pretrain=pretrain)).read_text())
    assert "The dashed line is the finished model's loss" in page.text
    assert "What it read" not in page.text
    assert not any("held-out text from" in label for label in page.values("aria-label"))


def test_a_mix_is_told_with_what_was_asked_for_and_what_more_takes(html: str, tmp_path: Path) -> None:
    def encode(folder: Path) -> None:
        data = json.loads((folder / "shards.json").read_text())
        collected = {"raw_bytes": 42_000_000, "kept_bytes": 7_289_000, "tokens": 2_207_000}
        (folder / "shards.json").write_text(json.dumps({**data, "collected": collected}))
        parts = [("docs", 0.49, 720_000, 0.4), ("licences", 0.51, 308_000, 4.0)]
        sources = [
            {"name": name, "share": share, "available_tokens": 77_000, "available_documents": 9, "tokens": tokens, "epochs": epochs}
            | {"max_epochs": 4.0, "kept_tokens": 77_000, "kept_documents": 9}
            for name, share, tokens, epochs in parts
        ]
        (folder / "mix.json").write_text(json.dumps({"tokens": 1_028_000, "sources": sources, "notes": ["'licences' runs out"]}))

    text = Page(write_report(make_run(tmp_path / "demo", encode=encode)).read_text()).text
    assert "1,028,000 tokens, repeats included. Otherwise than asked for: 'licences' runs out." in text
    assert "licences 51.0% 30.0% 308,000 4.00 of 4 77,000" in text
    assert "for 1M tokens at your yield of 17% and 3.3 bytes a token collect 19 MB of raw text" in text
    assert "asked for" not in Page(html).text


def test_a_plan_without_a_forecast_of_the_loss_says_so(html: str, tmp_path: Path) -> None:
    def plan(folder: Path) -> None:
        data = json.loads((folder / "forecast.json").read_text())
        (folder / "forecast.json").write_text(json.dumps({**data, "loss": None}))

    assert "about 4.31 nats per token" in Page(html).text
    assert "held-out loss [nats/token]" in Page(html).text
    text = Page(write_report(make_run(tmp_path / "demo", plan=plan)).read_text()).text
    assert "no forecast: outside the fitted range" in text
    assert "held-out loss [nats/token]" not in text


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    page = Page(html)
    for tag in ("script", "link", "img", "iframe", "object", "embed", "image", "form", "base"):
        assert page.tags[tag] == 0, tag
    assert page.values("src") == []
    outside = [
        value for tag, name, value in page.attributes if name in ("href", "xlink:href") and not value.startswith("#") and tag != "a"
    ]
    assert outside == []
    assert "@import" not in html
    assert all(reference.startswith("#") for reference in re.findall(r"url\(([^)]*)\)", html))
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


def test_ids_are_unique_and_links_lead_somewhere(html: str) -> None:
    page = Page(html)
    ids = Counter(page.values("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    links = {value[1:] for value in [*page.values("href"), *page.values("xlink:href")] if value.startswith("#")}
    assert links | set(re.findall(r"url\(#([^)]*)\)", html)) <= set(ids)


def test_charts_are_spoken_and_tables_have_headers(html: str) -> None:
    page = Page(html)
    assert page.tags["svg"] == sum(
        1 for tag, name, value in page.attributes if tag == "svg" and name == "aria-label" and len(value) > 10
    )
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        assert "<th" in table
    assert '<html lang="en">' in html


def test_colours_follow_the_page(html: str) -> None:
    drawings = " ".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawings)) <= {"#ffffff", "#000000"}, "only clip masks may hold a fixed colour"
    assert "prefers-color-scheme: dark" in html
    assert "DejaVu" not in drawings


def test_the_same_run_gives_the_same_bytes(made: Path, html: str, tmp_path: Path) -> None:
    assert write_report(made, tmp_path / "again.html").read_text() == html


def test_untrusted_text_is_shown_and_not_run(tmp_path: Path) -> None:
    def evaluation(folder: Path) -> None:
        data = json.loads((folder / "evaluation.json").read_text())
        data["samples"] = [{"prompt": EVIL, "text": EVIL}]
        data["by_source"] = {EVIL: {"bits_per_byte": 1.0}}
        data["baselines"][EVIL] = 3.0
        data["notes"] = [EVIL]
        (folder / "evaluation.json").write_text(json.dumps(data))

    def funnel(folder: Path) -> None:
        data = json.loads((folder / "funnel.json").read_text())
        data["stages"][0]["stage"] = "$\\frac" + EVIL
        data["stages"][0]["by_rule"] = {EVIL: 3}
        data["by_source"][0]["licence"] = EVIL
        (folder / "funnel.json").write_text(json.dumps(data))

    def export(folder: Path) -> None:
        (folder / "README.md").write_text(
            f"---\n{EVIL}\n---\n# {EVIL}\n[x](javascript:alert(1)) ![y](https://example.org/y.png)\n\n{EVIL}"
        )

    page = Page(write_report(make_run(tmp_path / "demo", evaluate=evaluation, curate=funnel, export=export)).read_text())
    assert page.tags["script"] == page.tags["img"] == 0
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert not any("javascript" in value for value in page.values("href"))
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}" in page.text


@pytest.mark.parametrize("until", VERBS)
def test_a_run_that_stopped_early_shows_what_is_there(tmp_path: Path, until: str) -> None:
    run = make_run(tmp_path / "demo", until=until)
    text = Page(write_report(run).read_text()).text
    assert until in text
    assert ("bits per byte" in text) == (until in ("evaluate", "export"))


def test_training_that_goes_on_is_shown_so_far(run: Path) -> None:
    for stage in ("evaluate", "export"):
        shutil.rmtree(run / stage)
    (run / "pretrain" / "manifest.json").unlink()
    metrics = run / "pretrain" / "metrics.jsonl"
    metrics.write_text("\n".join(metrics.read_text().splitlines()[:50]) + '\n{"step": 51, "lo')
    page = write_report(run).read_text()
    assert "Not finished yet: pretrain" in page
    assert "205k tokens" in page
    assert 'id="training"' in page


@pytest.mark.parametrize("loss", ["NaN", "Infinity"])
def test_a_loss_that_is_no_number_is_no_obstacle(run: Path, loss: str) -> None:
    (run / "pretrain" / "manifest.json").unlink()
    metrics = run / "pretrain" / "metrics.jsonl"
    metrics.write_text(re.sub(r'"loss": [\d.]+', f'"loss": {loss}', metrics.read_text(), count=30))
    assert 'id="training"' in write_report(run).read_text()


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, words in (
        (tmp_path / "none", "does not exist"),
        (tmp_path / "empty", "no finished stage"),
        (run / "plan", "one artifact"),
    ):
        with pytest.raises(ArtifactError, match=words):
            write_report(folder)
        assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("funnel.json", "{"),
        ("funnel.json", "[]"),
        ("funnel.json", '{"stages": 3}'),
        ("funnel.json", '{"stages": [{"stage": "x"}]}'),
        ("funnel.json", "[" * 100_000),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: str) -> None:
    run = make_run(tmp_path / "demo", until="curate", curate=lambda folder: (folder / file).write_text(content) and None)
    with pytest.raises(ArtifactError, match=re.escape(str(run / "curate" / file))):
        write_report(run)


@pytest.mark.parametrize("stage", ["curate", "encode", "plan", "export"])
def test_a_stage_that_is_not_whole_is_named_and_the_rest_shown(run: Path, stage: str) -> None:
    (run / stage / "manifest.json").write_text("{")
    text = Page(write_report(run).read_text()).text
    assert f"Damaged and left out: {run / stage / 'manifest.json'}" in text
    assert "--from STAGE" in text
    assert "bits per byte" in text
    assert "Not finished yet" not in text


def test_a_run_of_damaged_stages_alone_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo", until="tokenizer")
    (run / "curate" / "manifest.json").write_text("{")
    (run / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(ArtifactError, match=r"(?s)curate/manifest\.json: not valid.*tokenizer\.json: missing"):
        write_report(run)


def test_a_damaged_line_of_metrics_is_named(run: Path) -> None:
    (run / "pretrain" / "manifest.json").unlink()
    metrics = run / "pretrain" / "metrics.jsonl"
    lines = metrics.read_text().splitlines()
    metrics.write_text("\n".join([*lines[:3], "{", *lines[3:]]))
    with pytest.raises(ArtifactError, match=r"metrics\.jsonl:4"):
        write_report(run)


def test_a_folder_that_is_not_there_is_named(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        write_report(made, tmp_path / "nowhere" / "page.html")
