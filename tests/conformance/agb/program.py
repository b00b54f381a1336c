"""Runs the conformance scenarios through the installed AGB package: those of all Python SDKs, and its own.

Usage: program.py sync        (see ../README.md for the environment and the output)
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(1, str(HERE.parent / "python"))

import runner  # noqa: E402
from agb_sdk import Agb  # noqa: E402

if __name__ == "__main__":
    runner.main(Agb, [HERE.parent / "python/scenarios", HERE / "scenarios"])
