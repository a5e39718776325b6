"""Hardware by name, the machine that asks among it."""

from typing import TYPE_CHECKING

from groundup.core.lazy import lazy
from groundup.core.units import format_count
from groundup.estimate.hardware import THIS, Hardware, catalogue, find_hardware

if TYPE_CHECKING:
    from groundup.plan import this_machine
else:
    this_machine = lazy("groundup.plan.this_machine")


def named_hardware(name: str) -> Hardware:
    """Return the device of that name; 'this' is measured, which takes about two seconds. Raises ConfigError if there is none."""
    return this_machine.measure_this() if name.strip().lower() == THIS else find_hardware(name)


def listed_hardware(name: str = "") -> list[Hardware]:
    """Return the device of that name, or those with it in their name; all without one. Raises ConfigError if there is none."""
    part = name.strip().lower()
    found = [device for device in catalogue().values() if part in device.name]
    return found if found and part != THIS else [named_hardware(name)]


def render_hardware(devices: list[Hardware]) -> str:
    """Return a line for each device, and the sources of one alone."""
    width = max(len(device.name) for device in devices)
    lines = []
    for device in devices:
        peaks = ", ".join(f"{name} {format_count(peak)}" for name, peak in device.peak_flops_per_s.items())
        power = f"{device.power_w:.0f} W" if device.power_w else "power not published"
        lines.append(
            f"{device.name:<{width}}  {device.memory_gib:.1f} GiB ({device.memory_bytes / 1e9:.1f} GB), FLOP/s dense: {peaks}"
        )
        lines.append(
            f"{'':<{width}}  memory {_gb(device.memory_bytes_per_s)}, link {_gb(device.intra_node_bytes_per_s)} in a node of "
            f"{device.devices_per_node}, {_gb(device.inter_node_bytes_per_s)} between nodes, {power}"
        )
    if len(devices) == 1:
        lines += [f"{'':<{width}}  {field}: {source}" for field, source in devices[0].sources.items()]
    return "\n".join(lines)


def _gb(bytes_per_s: float) -> str:
    return f"{bytes_per_s / 1e9:,.4g} GB/s"
