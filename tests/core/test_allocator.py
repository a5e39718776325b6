import os
import subprocess
import sys
from pathlib import Path

import pytest

from groundup.core.allocator import c_library, lacking

PROCESS = Path(__file__).with_name("allocator_process.py")
VARIABLE = "GLIBC_TUNABLES"
WITHOUT = {name: value for name, value in os.environ.items() if name != VARIABLE}
old_glibc = pytest.mark.skipif(not lacking({}, c_library()), reason="this C library joins what tensors leave by itself")


def said(environment: dict[str, str]) -> list[str]:
    command = [sys.executable, PROCESS, "a word", "another"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("library", ["", "musl 1.2.4", "glibc 2.38", "glibc 2.39.1", "glibc 3.0"])
def test_other_libraries_lack_nothing(library: str) -> None:
    assert lacking({}, library) == {}


def test_what_the_user_says_stays() -> None:
    assert VARIABLE in lacking({"HOME": "/"}, "glibc 2.36")
    assert lacking({VARIABLE: ""}, "glibc 2.36") == {}


@old_glibc
def test_a_process_begins_anew_once_as_what_it_was() -> None:
    first, second, peak = said(WITHOUT)
    number, words, settings = second.split(";")
    assert first == f"{number};{words};None"
    assert words == "['a word', 'another']"
    assert settings == lacking({}, c_library())[VARIABLE]
    begun, unchanged = said({**WITHOUT, VARIABLE: ""})
    assert begun == f"{begun.split(';')[0]};{words};"
    assert float(peak) < 1.25
    assert float(unchanged) > 1
