"""What the container that this process runs in allows."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def container_limit(name: str) -> list[str]:
    """Return the words of a limit (cgroup v2), none where there is no such limit."""
    try:
        return (_CGROUP / name).read_text().split()
    except OSError:
        return []
