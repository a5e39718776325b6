"""Words for the person at the terminal: on stderr, so that stdout stays data."""

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


def set_quiet(quiet: bool) -> None:
    """Silence `say` and progress bars; errors are still printed."""
    console.quiet = quiet


def say(message: str) -> None:
    """Print one line of news; `[bold]markup[/]` is understood."""
    console.print(message)
