"""The C++ compiler of this machine, if it has one."""

import os
import shutil
import subprocess


def find_compiler() -> str | None:
    """Return the first line of the C++ compiler's version, None if there is none."""
    for command in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if command and shutil.which(command):
            answer = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
            if answer.returncode == 0 and answer.stdout:
                return answer.stdout.splitlines()[0]
    return None
