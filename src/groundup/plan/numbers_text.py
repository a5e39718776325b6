"""Stored numbers, tensors and models as a person reads them."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from groundup.core.units import format_bytes
from groundup.estimate.formats import FORMATS
from groundup.estimate.formats.scaling import SCALE_BYTES
from groundup.plan.numbers import Numbers, StoredModel, StoredNumber, StoredTensor

COLOURS: Final = {"sign": "red", "exponent": "green", "fraction": "blue"}
_INDENT: Final = "  "
_NOTE: Final = "bytes with the share of the scales; largest, mean, RMS error; signal/noise in dB"


def render(numbers: Numbers) -> Group:
    """Return the bits of each format with what each part means, the table of a tensor's errors, the table of a model's bytes."""
    parts: list[RenderableType] = []
    if numbers.value is not None:
        parts.append(Text(f"{numbers.value!r} as each format stores it"))
        parts += [line for row in numbers.formats for line in _number(row)]
    if numbers.tensor is not None:
        parts += _tensor(numbers.tensor)
    if numbers.params is not None:
        parts += _model(numbers.params, numbers.memory)
    return Group(*parts)


def bit_layout(bits: dict[str, str]) -> Text:
    """Return the bits of a pattern, its parts in colours and set apart: 0 | 10000 | 1001001000."""
    return Text(" | ").join(Text(text, style=COLOURS[part]) for part, text in bits.items())


def _number(row: StoredNumber) -> list[Text]:
    lines = [Text(), _line(FORMATS[row.format].title, "bold").append(f"  {_size(row.bytes)}  ", style="dim not bold")]
    lines[-1].append_text(bit_layout(row.bits)).append(f"  {row.hex}", style="dim not bold")
    for part, bits in row.bits.items():
        name = "value" if part == "fraction" and not row.exponent_bits else part
        width = f"{len(bits)} bit" + ("s" if len(bits) > 1 else "")
        lines.append(_line(f"{_INDENT}{name:<9}", COLOURS[part]).append(f"{width:<8} {row.meaning[part]}", style="default"))
    scaled = f" ({row.stored / row.scale:.0f} x scale {row.scale:.6g})" if row.scale != 1 else ""
    lines.append(_line(f"{_INDENT}stored   {row.stored!r}{scaled}, error {row.abs_error:.3g}"))
    lines.append(_line(f"{_INDENT}spacing  {row.spacing:.3g} to the next number"))
    small = f", normal from {row.smallest_normal:.3g}, smallest {row.smallest_subnormal:.3g}" if row.smallest_normal else ""
    lines.append(_line(f"{_INDENT}range    {row.lowest:.6g} to {row.largest:.6g}{small}"))
    return lines


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ignore")


def _tensor(tensor: StoredTensor) -> list[RenderableType]:
    part = "" if tensor.rows == tensor.total_rows else f", the first of {tensor.total_rows:,}"
    size = f"{tensor.rows:,} rows{part} of {tensor.columns:,}"
    table = _table("format", "scaling", "shared by", "*bytes", "*largest", "*mean", "*RMS", "*dB")
    for row in tensor.projections:
        shared = {"tensor": "tensor", "row": "row", "group": f"{row.group_size} values"}.get(str(row.granularity), "")
        errors = (f"{value:.1e}" if value < 1e-3 else f"{value:.2g}" for value in (row.max_abs, row.mean_abs, row.rms))
        name = FORMATS[row.format].title
        table.add_row(name, row.method.replace("_", "-"), shared, f"{row.bytes_per_value:.4g}", *errors, f"{row.sqnr_db:.1f}")
    return [Text(f"\n{tensor.name}: {size}, largest {tensor.absmax:.4g}, spread {tensor.std:.4g}"), table, Text(_NOTE, style="dim")]


def _model(params: int, memory: tuple[StoredModel, ...]) -> list[RenderableType]:
    table = _table("format", "*bytes/weight", "*weights", "*GiB", "*with scales")
    for row in memory:
        with_scales = format_bytes(row.bytes_with_scales) if row.group_size else ""
        number_format = FORMATS[row.format]
        gib = f"{row.bytes / 2**30:.3g}"
        table.add_row(number_format.title, f"{number_format.bytes:g}", format_bytes(row.bytes), gib, with_scales)
    groups = {row.group_size for row in memory if row.group_size}
    notes = [Text(f"with scales: one of {SCALE_BYTES} bytes for {size:,} weights", style="dim") for size in groups]
    return [Text(f"\nweights of {params:,} parameters, nothing else"), table, *notes]


def _table(*columns: str) -> Table:
    """Return an empty table; columns that begin with * are numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name.removeprefix("*"), justify="right" if name.startswith("*") else "left", no_wrap=True)
    return table


def _size(size: float) -> str:
    return f"{size:g} byte" + ("s" if size > 1 else "")
