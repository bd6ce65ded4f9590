# SPDX-License-Identifier: GPL-2.0
"""Commands in another toolbox than the one the lab runs in; scripts/toolbox says what is in each."""

import os
import subprocess

from .say import Failure

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "toolbox")


def command(name, *words):
    """A command line that runs in the toolbox of that name, or in the lab's own if there is none."""
    return [SCRIPT, "--for", name, *words] if name else list(words)


def get(name):
    """Make a toolbox if it is not there."""
    if name and subprocess.run(command(name, "true")).returncode:
        raise Failure(f"there is no toolbox for {name}; it has said why")


def output(name, *words):
    return subprocess.run(command(name, *words), check=True, capture_output=True, text=True).stdout.strip()
