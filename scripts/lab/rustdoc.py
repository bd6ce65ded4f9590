# SPDX-License-Identifier: GPL-2.0
"""`make doc`: rustdoc of the driver and its abstractions, as build/doc.

rustdoc is run with the flags that kbuild gave to rustc.
"""

import os
import re
import shlex
import shutil

from . import cache, module
from .say import Failure, Step, say

PLACE = os.path.join(module.REPO, "build", "doc")
CRATE = "rust_loop"


def command(source):
    """rustdoc's command line, made from the one of rustc that kbuild keeps beside the object."""
    with open(os.path.join(source, f".{CRATE}.o.cmd")) as file:
        saved = shlex.split(re.match(r"savedcmd_\S+ := (.*)", file.readline())[1])
    at = saved.index("rustc")
    flags = [flag for flag in saved[at + 1 :] if not flag.startswith("--emit")]
    output = flags.index("--out-dir")
    return ["env", "RUSTC_BOOTSTRAP=1", *saved[:at], "rustdoc", *flags[:output], *flags[output + 2 :]]


def build(stock):
    """The path of the documentation's first page; a warning is a failure."""
    module.build(stock)
    place = module.place_of(stock)
    source = os.path.join(place, "module")
    with cache.locked(os.path.join(place, ".lock"), "building the module"), Step(
        "rustdoc", cache.log(f"rustdoc-{stock.series}")
    ) as step:
        shutil.rmtree(PLACE, ignore_errors=True)
        try:
            step.run(
                *stock.command(*command(source)), "--document-private-items", "-Dwarnings", f"--crate-name={CRATE}", f"--output={PLACE}",
                cwd=source,
            )  # fmt: skip
        except Failure:
            with open(step.log) as log:
                say("\n" + log.read())
            raise
    return os.path.join(PLACE, CRATE, "index.html")
