# SPDX-License-Identifier: GPL-2.0
"""rublk, the userspace peer: the loop target of ublk, from crates.io.

Built in the cache with the toolbox' rustc and Debian's cargo, which is fetched
for it. Where that fails (no registry, for one) the bench goes without.
"""

import glob
import os

from lab import apt, cache
from lab.say import Failure, Step, say

VERSION = "0.2.15"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Rublk(cache.Entry):
    name = "rublk"
    gib = 1
    key = cache.recipe_key(1, VERSION, apt.SUITE)

    @property
    def path(self):
        return os.path.join(self.dir, "bin/rublk")

    def make(self):
        apt.update()
        root, debs = os.path.join(self.dir, "root"), os.path.join(self.dir, "debs")
        os.makedirs(os.path.join(debs, "partial"))
        with Step(f"building rublk {VERSION}", cache.log("rublk")) as step:
            # Cargo and those of its libraries that the toolbox lacks.
            step.run(
                "apt-get", *apt.OPTIONS, "-o", f"Dir::Cache::archives={debs}", "--download-only", "--yes",
                "install", "--no-install-recommends", "cargo",
            )  # fmt: skip
            for deb in glob.glob(f"{debs}/*.deb"):
                step.run("dpkg-deb", "-x", deb, root)
            environment = os.environ | {
                "LD_LIBRARY_PATH": os.path.join(root, LIBRARIES),
                "CARGO_HOME": os.path.join(self.dir, "home"),
            }
            step.run(
                os.path.join(root, "usr/bin/cargo"), "install", f"rublk@{VERSION}", "--locked",
                "--no-default-features", "--root", self.dir, env=environment,
            )  # fmt: skip
            step.run("rm", "-rf", root, debs, os.path.join(self.dir, "home"))
        return ["bin/rublk"]


def find():
    """The path of the program, or nothing."""
    try:
        return Rublk().get().path
    except Failure as failure:
        say(f"going without rublk: {failure}")
        return None
