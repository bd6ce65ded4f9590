# SPDX-License-Identifier: GPL-2.0
"""A stock Debian kernel: its image, its modules, and a tree to build modules against.

Debian's header packages lack what rustc needs of a kernel (the metadata of its
crates). It is made again here from the source package of the same version with
the configuration of the headers: same compiler, same configuration, therefore
the same metadata, and modules built with it load into the unmodified kernel.
"""

import filecmp
import os
import re
import shutil
import subprocess

from . import apt, cache
from .say import Failure, Step

SERIES = ("7.2", "7.3")
FLAVOUR = "cloud-amd64"
CC = "x86_64-linux-gnu-gcc-14"
RECIPE = 1


def find_release(series):
    """The highest release of a series that has a source package of the very same version."""
    apt.update()
    pattern = rf"linux-headers-({re.escape(series)}\.(\d+)\S*-{FLAVOUR})"
    found = [re.fullmatch(pattern, name) for name in apt.names(pattern)]
    sources = apt.versions(f"linux-source-{series}")
    for match in sorted(found, key=lambda match: int(match[2]), reverse=True):
        version = next(iter(apt.versions(match[0])), None)
        if version in sources:
            return match[1], version
    if found:
        raise Failure(
            f"the mirror's kernel {series} ({found[0][1]}) and linux-source-{series} "
            f"({', '.join(sources) or 'none'}) differ; it may be half updated: try later, or another MIRROR="
        )
    there = {match[1] for match in map(re.compile(r"linux-source-(.*)").fullmatch, apt.names("linux-source-.*")) if match}
    raise Failure(
        f"the mirror has no kernel {series} for {FLAVOUR}; it has {', '.join(sorted(there)) or 'none'}\n"
        f"  {apt.SUITE}-backports must be on it. Another mirror: MIRROR=URL; another series: KERNEL="
    )


def config_value(config, name):
    with open(config) as file:
        found = re.search(rf"^{name}=(.*)$", file.read(), re.MULTILINE)
    return found and found[1].strip('"')


class Kernel(cache.Entry):
    """A kernel series: `source`, `obj` (the KDIR), `vmlinuz`, `modules.ext4`, `release`."""

    gib = 4
    # What a guest with it gets, and how much longer than usual is waited for it.
    arguments, memory, patience = "", 2048, 1

    def __init__(self, series):
        if series not in SERIES:
            raise Failure(f"kernel {series}? The lab knows {' and '.join(SERIES)}")
        self.series = series
        self.name = f"kernel-{series}"
        self.key = cache.recipe_key(RECIPE, FLAVOUR, CC)

    @property
    def kdir(self):
        return os.path.join(self.dir, "obj")

    @property
    def source(self):
        return os.path.join(self.dir, "source")

    @property
    def vmlinuz(self):
        return os.path.join(self.dir, "vmlinuz")

    @property
    def modules(self):
        return os.path.join(self.dir, "modules.ext4")

    @property
    def make_arguments(self):
        """What says which compiler, for everything that is built for this kernel."""
        return [f"CC={CC}"]

    @property
    def make_command(self):
        return ["make", "-C", self.source, f"O={self.kdir}", *self.make_arguments, f"-j{os.cpu_count()}"]

    @property
    def release(self):
        with open(os.path.join(self.kdir, "include/config/kernel.release")) as file:
            return file.read().strip()

    def make(self):
        release, version = find_release(self.series)
        packages = os.path.join(self.dir, "packages")
        headers = os.path.join(packages, "usr/src", f"linux-headers-{release}")
        with Step(f"fetching kernel {release}", cache.log(f"{self.name}-fetch")) as step:
            self.fetch(step, release, version, packages)
        self.check_rustc(os.path.join(headers, ".config"))
        with Step(f"preparing the build tree of {release}", cache.log(f"{self.name}-kdir")) as step:
            self.prepare(step, headers)
            # For the kselftests: the kernel's own headers, and a place to mount ours.
            step.run(*self.make_command, "headers")
            os.mkdir(os.path.join(self.source, "tools/testing/selftests/loop"))
        shutil.rmtree(packages)
        return [
            "vmlinuz", "modules.ext4", "source/Makefile", "source/rust/kernel/lib.rs",
            "source/tools/testing/selftests/lib.mk", *self.prepared(),
        ]  # fmt: skip

    def prepared(self):
        """The files that vouch for the build tree."""
        metadata = [name for name in os.listdir(os.path.join(self.kdir, "rust")) if name.endswith(".rmeta")]
        return [
            "obj/.config", "obj/Makefile", "obj/Module.symvers", "obj/include/generated/utsrelease.h",
            "obj/scripts/mod/modpost", "obj/rust/libmacros.so", *(f"obj/rust/{name}" for name in metadata),
        ]  # fmt: skip

    def fetch(self, step, release, version, packages):
        common = release.removesuffix("-" + FLAVOUR)
        binary = apt.names(rf"linux-binary-(unsigned-)?{re.escape(release)}")
        wanted = [
            max(binary, default=f"linux-binary-{release}"), f"linux-base-{release}",
            f"linux-modules-{release}", f"linux-headers-{release}",
            f"linux-source-{self.series}={version}",
        ]  # fmt: skip
        apt.unpack(step, wanted, packages)
        step.run("tar", "-xf", f"{packages}/usr/src/linux-source-{self.series}.tar.xz", "-C", self.dir)
        os.rename(os.path.join(self.dir, f"linux-source-{self.series}"), self.source)

        tree = os.path.join(packages, "usr/lib/modules", release)
        image = next(name for name in os.listdir(tree) if name.startswith("vmlinuz"))
        shutil.move(os.path.join(tree, image), self.vmlinuz)
        for link in ("build", "source"):
            if os.path.islink(os.path.join(tree, link)):
                os.unlink(os.path.join(tree, link))
        step.run("depmod", "-b", os.path.join(packages, "usr"), release)
        step.run("mke2fs", "-q", "-t", "ext4", "-L", "modules", "-d", os.path.dirname(tree), self.modules, "160M")

    def check_rustc(self, config):
        """A module of another rustc would not load, or worse."""
        wanted = config_value(config, "CONFIG_RUSTC_VERSION_TEXT")
        ours = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        if config_value(config, "CONFIG_RUST") != "y" or ours != wanted:
            raise Failure(
                f"{self.name} was built with {wanted or 'no Rust at all'}, the toolbox has {ours}\n"
                "  modules built with another rustc cannot be loaded. If the mirror's toolchain moved on,\n"
                "  remove the toolbox from the cache, or use a kernel built with it: KERNEL="
            )

    def prepare(self, step, headers):
        os.makedirs(self.kdir, exist_ok=True)
        for file in (".config", "Module.symvers"):
            shutil.copy(os.path.join(headers, file), self.kdir)
        step.run(*self.make_command, "olddefconfig")
        step.run(*self.make_command, "modules_prepare")
        for file in ("include/generated/utsrelease.h", "include/config/kernel.release"):
            shutil.copy(os.path.join(headers, file), os.path.join(self.kdir, file))
        autoconf = "include/generated/autoconf.h"
        if not filecmp.cmp(os.path.join(headers, autoconf), os.path.join(self.kdir, autoconf), shallow=False):
            raise Failure(
                f"the toolbox's tools change the kernel's configuration: compare {headers}/{autoconf} "
                f"with {self.kdir}/{autoconf}; the log is {step.log}"
            )
