"""Main text by resiliparse: rules on elements and their class names, compiled."""

from resiliparse.extract.html2text import extract_plain_text

from groundup.curate.sources.extraction.base import Extractor


class Main(Extractor):
    """Bevendorff et al. 2018; paragraphs and lists keep their lines, alternative texts of images and links go."""

    def main_text(self, html: str) -> str:
        text: str = extract_plain_text(html, main_content=True, alt_texts=False)
        return text
