"""The memory of one device in words."""

from groundup.core.units import format_bytes
from groundup.estimate.device_memory import LINES
from groundup.plan.memory.answer import GIB, Answer
from groundup.plan.memory.question import Question

SLIP = (
    '"about 20 extra bytes a parameter, so 4 x 20 = 80 GB for 1 B parameters" is a slip of arithmetic: the table it cites adds 20 '
    "bytes to 4 (weights 4 + Adam 8 + gradients 4 + activations 8 = 24 bytes a parameter) and does not multiply by them; 80 GB is "
    "the memory of an A100, which makes the product look right"
)


def render(answer: Answer, explain: bool = False) -> str:
    """Return the lines with their total, whether it fits, and with `explain` every formula with its numbers and source."""
    question, lines = answer.question, answer.memory.as_json()
    shown = [line for line in lines if lines[line] or line in LINES[:5] or line == "total"]
    if question.inference:
        shown = [line for line in shown if lines[line]]
    width = max(len(line) for line in shown)
    text = [_headline(answer)]
    for line in shown:
        text.append(f"  {line.replace('_', ' '):<{width}}  {lines[line] / 1e9:>9.2f} GB  {lines[line] / GIB:>9.2f} GiB")
        if explain:
            text += _formulas(answer, line, width)
    if answer.memory.host_bytes:
        text.append(f"  in the host's memory, for this device: {format_bytes(answer.memory.host_bytes)}")
        if explain:
            text += [
                f"    {term.what}: {term.formula} = {term.num_bytes:,} B" for term in answer.memory.terms if term.place == "host"
            ]
    text += _verdict(answer)
    if not question.inference:
        text += _rules(answer, explain)
    return "\n".join(text)


def _headline(answer: Answer) -> str:
    question = answer.question
    layout = question.layout
    model = f"{question.name}: {answer.params:,} parameters"
    if question.inference:
        asked = question.inference
        return f"{model}, {asked.weights} weights, {asked.batch} sequences of {asked.context:,} tokens{_axes(question)}"
    how = f"{layout.precision}, micro-batch {layout.micro_batch} x {question.seq_len:,} tokens, recompute {layout.recompute}"
    stage = f", stage {answer.memory.stage} (the fullest)" if layout.pp > 1 else ""
    return f"{model}, {how}{_axes(question)}{stage}; on one device, as {answer.memory.software} holds it:"


def _axes(question: Question) -> str:
    layout = question.layout
    axes = [f"{axis}={getattr(layout, axis)}" for axis in ("dp", "tp", "pp", "cp") if getattr(layout, axis) > 1]
    if layout.zero:
        axes.append(f"zero={layout.zero}" + (f" over {layout.shards}" if layout.zero == 3 else ""))
    if layout.offload != "none":
        axes.append(f"offload={layout.offload}")
    return ", " + ", ".join(axes) if axes else ""


def _formulas(answer: Answer, line: str, width: int) -> list[str]:
    text = []
    for term in answer.memory.terms:
        if term.line == line and term.place == "device" and term.num_bytes:
            source = f"  [{term.source}]" if term.source else ""
            text.append(f"  {'':<{width}}    {term.what}: {term.formula} = {term.num_bytes:,} B{source}")
    return text


def _verdict(answer: Answer) -> list[str]:
    if answer.fits is None or answer.question.device_bytes is None:
        return []
    device = f"{answer.question.device or 'the device'}: {answer.question.device_bytes / 1e9:.2f} GB"
    device = f"{device} ({answer.question.device_bytes / GIB:.2f} GiB)"
    if answer.fits:
        return [f"fits on {device}, {(answer.question.device_bytes - answer.memory.total) / GIB:.2f} GiB are left"]
    if not answer.ways:
        return [f"does not fit on {device}, nor with any single change of the layout; take a smaller model or more devices"]
    ways = [
        f"  {', '.join(f'{key}={value}' for key, value in way.settings.items() if value is not None)}: {way.total / GIB:.2f} GiB"
        + (f" a device, {way.devices:,} devices" if way.devices > 1 else "")
        for way in answer.ways
    ]
    return [f"does not fit on {device}; the nearest settings that do:", *ways]


def _rules(answer: Answer, explain: bool) -> list[str]:
    rules = answer.rules_of_thumb
    shown = {
        "weights_4B": "4 bytes a parameter (weights in 32 bits)",
        "states_16B": "16 bytes (weights, gradients, Adam)",
        "course_24B": "24 bytes (a course's table: 8 more for activations, whatever the batch)",
    }
    text = [
        f"rules of thumb for {answer.params:,} parameters on one device, for comparison only: "
        + "; ".join(f"{words}: {rules[name] / 1e9:.1f} GB ({rules[name] / GIB:.1f} GiB)" for name, words in shown.items())
    ]
    return [*text, f"({SLIP})"] if explain else text
