# SPDX-License-Identifier: GPL-2.0
"""Build trees of all the stock kernels that the suite offers, for packages of the driver.

A tree is what Kernel makes of one release, of any flavour, without what a guest
needs. The trees of a version share its source.
"""

import os
import re
import shutil

from . import apt, cache
from .kernel import FLAVOUR, SERIES, Kernel
from .say import Failure, Step

FLAVOURS = ("amd64", "cloud-amd64", "rt-amd64")
RECIPE = 1


def lab_kernel(series, version):
    """The lab's own kernel of a series, if it is in the cache and of that version."""
    stock = Kernel(series)
    return stock if stock.intact() and stock.is_version(version) else None


class Source(cache.Entry):
    """`source`: the sources of one version of Debian's kernel."""

    gib = 4

    def __init__(self, series, version):
        self.series, self.version = series, version
        self.name = f"source-{version}"
        self.key = cache.recipe_key(RECIPE, version)

    kdir = None

    @property
    def source(self):
        return os.path.join(self.dir, "source")

    def make(self):
        packages = os.path.join(self.dir, "packages")
        with Step(f"fetching the source of Linux {self.version}", cache.log(self.name)) as step:
            apt.unpack(step, [f"linux-source-{self.series}={self.version}"], packages)
            step.run("tar", "-xf", f"{packages}/usr/src/linux-source-{self.series}.tar.xz", "-C", self.dir)
        os.rename(os.path.join(self.dir, f"linux-source-{self.series}"), self.source)
        shutil.rmtree(packages)
        return ["source/Makefile", "source/rust/kernel/lib.rs"]


class Tree(Kernel):
    """`obj`: what modules of one release of Debian's kernel are built against."""

    gib = 1

    def __init__(self, series, abi, flavour, version):
        self.series, self.abi, self.flavour, self.version = series, abi, flavour, version
        self.name = f"tree-{self.release}"
        self.origin = lab_kernel(series, version) or Source(series, version)
        # A tree holds the path of its source.
        self.key = cache.recipe_key(RECIPE, version, self.source)

    @property
    def release(self):
        return f"{self.abi}-{self.flavour}"

    @property
    def source(self):
        return self.origin.source

    @property
    def of_lab(self):
        return isinstance(self.origin, Kernel)

    @property
    def kdir(self):
        return self.origin.kdir if self.of_lab and self.flavour == FLAVOUR else super().kdir

    def get(self):
        self.origin.get()
        return self if self.kdir == self.origin.kdir else super().get()

    def siblings(self):
        """Trees that were made of the same source."""
        others = [Tree(self.series, self.abi, flavour, self.version) for flavour in FLAVOURS if flavour != self.flavour]
        return [self.origin] if self.of_lab else [tree for tree in others if tree.intact()]

    def make(self):
        packages = os.path.join(self.dir, "packages")
        headers = os.path.join(packages, "usr/src", f"linux-headers-{self.release}")
        with Step(f"preparing the build tree of {self.release}", cache.log(self.name)) as step:
            apt.unpack(step, [f"linux-headers-{self.release}={self.version}"], packages)
            # What the configuration does not change, as the tools, need not be built again.
            for sibling in self.siblings()[:1]:
                step.run("cp", "-a", sibling.kdir, self.kdir)
            self.take_config(headers)
            self.prepare(step, headers)
        shutil.rmtree(packages)
        return self.prepared()


def offered(wanted="", flavours=FLAVOURS):
    """The trees of the releases that are `wanted`, or begin so (7.2, 7.2.12, …), the oldest first."""
    apt.update()
    found = []
    for series in SERIES:
        sources = apt.versions(f"linux-source-{series}")
        pattern = re.compile(rf"linux-headers-(({re.escape(series)}\.(\d+)[^-]*)-({'|'.join(flavours)}))")
        for match in filter(None, map(pattern.fullmatch, apt.names(pattern))):
            version = next(iter(apt.versions(match[0])), None)
            is_wanted = wanted == match[1] or f"{match[2]}.".startswith((f"{wanted}." if wanted else "", f"{wanted}+"))
            if is_wanted and version in sources:
                found.append((SERIES.index(series), int(match[3]), match[4], Tree(series, match[2], match[4], version)))
    if not found:
        raise Failure(
            f"the mirror has no kernel {wanted or ' or '.join(SERIES)} of {', '.join(flavours)} with its source\n"
            f"  {apt.SUITE}-backports must be on it. Another mirror: MIRROR=URL; another kernel: KERNEL="
        )
    return [tree for *_, tree in sorted(found, key=lambda each: each[:3])]
