"""Runs the conformance scenarios through the installed AgentBay package.

Usage: program.py sync|async        (see ../README.md for the environment and the output)
"""

import pathlib

import runner
from agentbay_sdk import AgentBay

if __name__ == "__main__":
    runner.main(AgentBay, [pathlib.Path(__file__).parent / "scenarios"])
