import io
import json

import pytest
from rich.console import Console

from groundup.core.compiler import find_compiler
from groundup.diagnosis import Diagnosis, Finding, diagnose, render


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return diagnose()


def test_diagnosis_survives_json(diagnosis):
    assert Diagnosis.model_validate(json.loads(diagnosis.model_dump_json())) == diagnosis


def test_what_is_needed_for_the_tests_is_found(diagnosis):
    assert diagnosis.healthy
    assert diagnosis.cores >= 1
    assert "cpu" in diagnosis.devices
    assert diagnosis.memory_bytes >= diagnosis.memory_available_bytes > 0
    assert set(diagnosis.matmul_peak_flops_per_s) == {"fp32", "bf16", "fp16"}
    assert all(peak > 1e8 for peak in diagnosis.matmul_peak_flops_per_s.values())


def test_every_problem_says_how_to_mend_it(diagnosis):
    assert all(finding.mend for finding in diagnosis.findings if finding.status != "ok")


def test_rendering_shows_finding_and_way_out(diagnosis):
    ill = diagnosis.model_copy(
        update={"healthy": False, "findings": (Finding(name="Python", status="missing", found="3.9", mend="install 3.11"),)}
    )
    written = io.StringIO()
    Console(width=100, file=written).print(render(ill))
    text = written.getvalue()
    assert "3.9" in text
    assert "install 3.11" in text
    assert "missing" in text


def test_no_compiler_is_not_fatal(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert find_compiler() is None
