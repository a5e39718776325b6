"""Words for the person at the terminal: on stderr, so that stdout stays data."""

from rich.console import Console
from rich.text import Text

from groundup.core.world import launched

# Nothing in a text is markup: names of files hold brackets, and ':100:' after one is a line number, not an emoji.
console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def set_quiet(quiet: bool) -> None:
    """Silence `say` and progress bars; errors are still printed. Of the processes of a launch only the first is not silent."""
    world = launched()
    console.quiet = quiet or not (world is None or world.is_first)


def say(message: str, style: str | None = None) -> None:
    """Print one line of news, all of it in `style` ('bold', 'dim', a colour)."""
    console.print(message, style=style)


def complain(message: str, word: str = "error") -> None:
    """Print why the work ended, also where news are silenced."""
    console.quiet = False
    console.print(Text.assemble((word, "bold red"), " ", message))
