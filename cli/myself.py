"""How the person who reads a hint can call this program again."""

import os
import shutil
import sys


def program() -> str:
    """`fabula` where the shell finds it by that name, else the path that was called."""
    called = sys.argv[0]
    found = shutil.which("fabula")
    if os.path.basename(called) != "fabula" or (found and os.path.samefile(found, called)):
        return "fabula"
    return os.path.relpath(called)
