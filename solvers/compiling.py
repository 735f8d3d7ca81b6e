"""How the kernel is compiled, and where the compiled code is kept.

Numba keeps compiled functions on disk and takes them from there as long as the file of that one function is unchanged.
But what a function calls is compiled into it: after a change in walk.py it would go on with the old walk. So the code
is kept in a folder named by a digest of all the kernel's files; a change in any of them compiles all anew.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from numba import config as numba_config
from numba import njit

config: Any = numba_config

KERNEL_FILES = ("compiling.py", "layout.py", "walk.py", "gaps.py", "anneal.py", "insertion.py")
"""Every file with compiled functions, or with constants and record types that are compiled into them."""


def _cache_folder() -> Path:
    here = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for name in KERNEL_FILES:
        path = here / name
        digest.update(path.read_bytes() if path.exists() else b"")
    named = config.CACHE_DIR
    if named:
        base = Path(named)
    elif os.access(here, os.W_OK):
        base = here / "__pycache__"
    else:
        base = (
            Path(tempfile.gettempdir()) / f"foresite-{os.getuid()}"
        )  # an installation that only root may write
    return base / f"kernel-{digest.hexdigest()[:16]}"


config.CACHE_DIR = str(_cache_folder())

OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}
"""Without numba's runtime (`_nrt`), that is: no function of the kernel makes an array, so that there is nothing to count
references of; counting them took more than half of the time. What must make one makes it outside and passes it in."""

compiled: Any = njit(**OPTIONS)
"""Compiled for itself, and kept on disk."""

inlined: Any = njit(inline="always", **OPTIONS)
"""Compiled into its caller: for what runs millions of times a second from one or two places."""
