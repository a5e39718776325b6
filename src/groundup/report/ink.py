"""The colours of the report: concrete ones for pictures, CSS variables for the page."""

from dataclasses import dataclass, fields

RAMP_LEN = 8


@dataclass(frozen=True)
class Ink:
    """Colours by what they are for, '#rrggbb'."""

    page: str
    panel: str
    text: str
    muted: str
    line: str
    accent: str
    accent_soft: str
    bar: str
    good: str
    bad: str

    @property
    def ramp(self) -> tuple[str, ...]:
        """Shades of the accent for parts of a whole, the strongest first."""
        return tuple(blend(self.accent, self.page, 0.86 * i / (RAMP_LEN - 1)) for i in range(RAMP_LEN))


LIGHT = Ink(
    page="#ffffff",
    panel="#f6f7f6",
    text="#1b211f",
    muted="#5c6763",
    line="#dfe4e2",
    accent="#0f766e",
    accent_soft="#a9d3ce",
    bar="#b9c2be",
    good="#0f766e",
    bad="#b42318",
)
DARK = Ink(
    page="#121615",
    panel="#1a201e",
    text="#e6ebe9",
    muted="#9aa6a2",
    line="#2e3634",
    accent="#3fbfb0",
    accent_soft="#235a54",
    bar="#56615d",
    good="#3fbfb0",
    bad="#f97066",
)


def blend(colour: str, other: str, share: float) -> str:
    """Return `colour` with `share` of it replaced by `other`."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def css_variables(ink: Ink) -> str:
    """Return the CSS declarations of the colours."""
    named = {field.name: getattr(ink, field.name) for field in fields(Ink)}
    ramp = {f"ramp-{i}": colour for i, colour in enumerate(ink.ramp)}
    return " ".join(f"--{name.replace('_', '-')}: {colour};" for name, colour in {**named, **ramp}.items())


class _VariableInk(Ink):
    """Stand-ins that no picture uses, which `to_variables` replaces in the finished SVG."""

    @property
    def ramp(self) -> tuple[str, ...]:
        return tuple(f"#0102{i + 0x80:02x}" for i in range(RAMP_LEN))


VARIABLES = _VariableInk(**{field.name: f"#0102{i:02x}" for i, field in enumerate(fields(Ink))})


def to_variables(svg: str) -> str:
    """Replace the stand-ins of VARIABLES in the SVG by references to the page's CSS variables."""
    for field in fields(Ink):
        svg = svg.replace(getattr(VARIABLES, field.name), f"var(--{field.name.replace('_', '-')})")
    for i, colour in enumerate(VARIABLES.ramp):
        svg = svg.replace(colour, f"var(--ramp-{i})")
    return svg
