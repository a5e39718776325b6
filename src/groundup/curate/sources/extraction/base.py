"""What every extractor can do."""

from abc import ABC, abstractmethod


class Extractor(ABC):
    """Takes the main text out of a web page: no menus, no advertisements, no footers."""

    @abstractmethod
    def main_text(self, html: str) -> str:
        """Return the text; empty if none is found."""
