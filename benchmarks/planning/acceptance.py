"""Print published numbers that plans must reproduce beside ours; exits 1 if one is missed.

    python benchmarks/planning/acceptance.py [--only ROW ...]

A row is one function that yields `Check`s, in a file `acceptance_PART.py` beside this one; to add one, write it and name it in
ROWS under its number of the list. Tables of published runs are read from the folder `planning` of GROUNDUP_DATA (default
`../shared/data` of the repository); rows whose table is not there are said to be skipped.
"""

import argparse
import sys

import acceptance_budget as budget
import acceptance_compute as compute
import acceptance_formats as formats
import acceptance_layout as layouts
import acceptance_memory as memories
import acceptance_scaling as scaling
from acceptance_checks import Check, Row
from rich.console import Console
from rich.table import Table

ROWS: dict[str, tuple[Row, ...]] = {
    "1": (formats.pi,),
    "2": (formats.memory_of_weights, memories.weight_formats),
    "3": (compute.gpt3_table,),
    "4": (memories.zero_states,),
    "5": (memories.one_billion,),
    "6": (compute.llm_foundry,),
    "7": (compute.nanogpt,),
    "8": (memories.memory_tracker,),
    "9": (memories.torchtitan_drop,),
    "10": (memories.peak_memory,),
    "11": (compute.megatron_days,),
    "12": (layouts.bloom, layouts.t5),
    "13": (compute.bloomberggpt, budget.bloomberggpt_budget),
    "15": (compute.palm,),
    "section 3": (budget.tokens_per_parameter,),
    "16": (scaling.refit,),
    "19": (budget.repetition, scaling.repeated),
    "20": (budget.constants,),
    "cache": (memories.cache,),
    "isoflop": (scaling.isoflop,),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), help="rows of the list")
    wanted = parser.parse_args().only
    table = Table("row", "check", "expected", "ours", "difference", "tolerance", "", "note")
    missed = 0
    for number in wanted:
        try:
            checks = [check for row in ROWS[number] for check in row()]
        except FileNotFoundError as error:
            table.add_row(number, "skipped", "", "", "", "", "-", f"no {error.filename}")
            continue
        for check in checks:
            missed += not check.passed
            table.add_row(number, *_cells(check))
    console = Console(width=200)
    console.print(table)
    console.print(f"{missed} missed" if missed else "all reproduced")
    sys.exit(1 if missed else 0)


def _cells(check: Check) -> list[str]:
    difference, tolerance = (
        (f"{check.difference:+.3g}", f"{check.tolerance:g}")
        if check.absolute
        else (f"{check.difference:+.2%}", f"{check.tolerance:.3%}")
    )
    numbers = [f"{check.expected:.6g}", f"{check.ours:.6g}", difference, tolerance]
    return [check.what, *numbers, "ok" if check.passed else "MISSED", check.note]


if __name__ == "__main__":
    main()
