"""`foresite bench`: hands over to the folder bench/ of the source checkout that this installation runs from."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from schemas import UsageError

SOURCE = Path(__file__).resolve().parent.parent
"""Where bench/ lies in a checkout: beside this package."""


def run_benches(arguments: Sequence[str], source: Path = SOURCE) -> int:
    """Run `python -m bench` with these arguments in this process.

    Args:
        arguments: as on its command line.
        source: folder that holds bench/.

    Returns:
        The exit code.

    Raises:
        UsageError: there is no bench/ there: installed from a wheel.
    """
    if not (source / "bench" / "__main__.py").is_file():
        raise UsageError(
            f"the benchmarks are not in the installed package, and there is no bench/ in {source}; "
            "clone the source, `make env` in it, and run `foresite bench` of its .venv"
        )
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))
    code: int = import_module("bench.__main__").main(arguments)
    return code
