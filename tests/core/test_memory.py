"""Freed memory leaves the process."""

import subprocess
import sys
import textwrap

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be asked to give memory back")
def test_freed_memory_leaves_the_process():
    script = textwrap.dedent(
        """
        import psutil
        from groundup.core.memory import give_back
        blocks = [bytes(1000) for _ in range(200_000)]
        held = blocks[::2000]
        full = psutil.Process().memory_info().rss
        del blocks
        give_back()
        print(full - psutil.Process().memory_info().rss)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 150_000_000, "200 MB were freed, in small blocks between others that are held"
