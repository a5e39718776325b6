"""What became of an address."""

from dataclasses import dataclass


class Refused(Exception):  # noqa: N818  caught where it is counted
    """A page is not saved: `rule` says for which reason, as it is counted."""

    def __init__(self, rule: str, why: str, may_retry: bool = False, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.rule, self.may_retry, self.wait_s = rule, may_retry, wait_s


@dataclass(frozen=True)
class Answer:
    """What a server sent."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of that name; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def content_type(self) -> str:
        return self.header("content-type").partition(";")[0].strip().lower()
