"""What each process of a run did, on its page and in what `show` says of it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from fake_run import make_run
from groundup import lineage
from groundup.artifacts.shares import PARALLEL_FILE, read_shares
from groundup.core.errors import ArtifactError
from groundup.report.page import write_report
from seen_page import Page

STATES = {"weights": 4_000_000, "master_weights": 0, "gradients": 4_000_000, "optimizer": 8_000_000}


def share(exposed: float, bubble: float = 0.0) -> dict[str, object]:
    times = {"step_s": 1.0, "computing": 0.9 - exposed, "communication": exposed + 0.05, "exposed": exposed, "bubble": bubble}
    return {**times, "products_flops": 1e12, "mfu": 0.25, "states": STATES, "peak_memory_bytes": 300_000_000}


def writer(found: object) -> Callable[[Path], None]:
    def pretrain(folder: Path) -> None:
        (folder / PARALLEL_FILE).write_text(json.dumps(found))

    return pretrain


def shares(ranks: list[dict[str, object]], scheduled: float | None, waited_for: int) -> dict[str, object]:
    return {"steps": [3, 5], "layout": "pp=2", "scheduled_bubble": scheduled, "waited_for": waited_for, "ranks": ranks}


def said(run: Path) -> str:
    console = Console(width=1000, no_color=True)
    with console.capture() as captured:
        console.print(lineage.render(lineage.lineage(run)))
    return captured.get()


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return make_run(tmp_path / "demo", pretrain=writer(shares([share(0.30, 0.21), share(0.20, 0.19)], 0.2, 1)))


def test_each_process_is_on_the_page_and_the_slow_one_is_named(pipeline: Path) -> None:
    html = write_report(pipeline).read_text()
    page = Page(html)
    assert "How 2 processes shared the work" in page.text
    assert "1 waited for 70.0% 25.0% 20.0% 19.0% 25.0%" in page.text
    assert "wait 20.0% of their time, were all stages alike and messages free; measured were 20.0% of the step" in page.text
    assert "master weights" not in re.findall(r'<section id="processes">.*?</section>', html, flags=re.DOTALL)[0], "none are held"
    assert "Share of a step in which it computes: process 0 60%; process 1 70%" in " ".join(page.values("aria-label"))


def test_show_says_it_too(pipeline: Path) -> None:
    text = said(pipeline / "pretrain")
    assert "2 processes, pp=2: 20.0% to 30.0% of a step is communication that no computing hides; 20.0% waits for other" in text
    assert "process 0: computes 60.0%, waits 30.0% (21.0% for other stages), MFU 25.0%; weights 4 MB" in text
    found = lineage.as_json(lineage.lineage(pipeline / "pretrain"))["processes"]
    assert [rank["exposed"] for rank in found["ranks"]] == [0.3, 0.2]


def test_of_many_processes_those_that_wait_least_and_most_are_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo", pretrain=writer(shares([share(0.001 * rank) for rank in range(512)], None, 0)))
    page = Page(write_report(run).read_text())
    assert "Shown are the 24 that wait the least and the most" in page.text
    assert all(f"process {rank} " in " ".join(page.values("aria-label")) for rank in (0, 11, 500, 511))
    assert "process 12 " not in " ".join(page.values("aria-label"))
    assert "for stages" not in page.text
    named = re.findall(r"process (\d+): computes", said(run / "pretrain"))
    assert named == ["0", "1", "2", "3", "508", "509", "510", "511"]


def test_one_process_is_no_matter_for_the_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo")
    assert "shared the work" not in write_report(run).read_text()
    assert lineage.lineage(run / "pretrain").shares is None


def test_a_damaged_file_is_named_by_the_report_and_nothing_to_show(tmp_path: Path) -> None:
    run = make_run(tmp_path / "demo", pretrain=writer({"ranks": 3}))
    with pytest.raises(ArtifactError, match=r"parallel.json: 'steps' is required and missing"):
        read_shares(run / "pretrain" / PARALLEL_FILE)
    with pytest.raises(ArtifactError, match=r"remake it"):
        write_report(run)
    assert "processes" not in said(run / "pretrain")
