"""The settings of fetching pages."""

from importlib.metadata import version

from pydantic import Field

from groundup.core.config import Config


class FetchConfig(Config):
    """How pages are fetched. The defaults are polite; each bound says what it costs to lift it."""

    contact: str = Field(min_length=5, description="e-mail or web address at which you can be reached; sent to every server")
    delay_s: float = Field(
        default=1.0, ge=0, description="between two requests to a host; a longer Crawl-delay of its robots.txt counts"
    )
    max_delay_s: float = Field(default=60.0, gt=0, description="a host that asks for more seconds between requests is left out")
    timeout_s: float = Field(default=20.0, gt=0, description="for connecting, and for each wait for more data")
    max_page_s: float = Field(default=60.0, gt=0, description="for the whole of a page")
    max_page_bytes: int = Field(default=8 << 20, gt=0, description="a larger page is dropped, not cut off")
    max_redirects: int = Field(default=5, ge=0)
    max_pages: int = Field(default=100_000, gt=0, description="saved in all; the rest is counted as left over")
    max_bytes: int = Field(default=10 << 30, gt=0, description="saved in all, as sent")
    max_retries: int = Field(default=2, ge=0, description="after a time-out, a broken connection, or status 429 or 503")
    content_types: tuple[str, ...] = Field(default=("text/html", "application/xhtml+xml", "text/plain"), min_length=1)
    allow_private: bool = Field(
        default=False, description="fetch from addresses that are not public: your own network, this machine"
    )

    @property
    def user_agent(self) -> str:
        """What servers are told."""
        return f"groundup/{version('groundup')} (+{self.contact})"
