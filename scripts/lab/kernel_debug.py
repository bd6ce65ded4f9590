# SPDX-License-Identifier: GPL-2.0
"""The debug kernel: the stock kernel's source, built with all that finds defects.

What it has is said in debug.config. It is as small as the tests allow, since a
clean machine builds it before the first of them runs.
"""

import os
import shutil

from . import cache, clang, kernel
from .say import Failure, Step

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "debug.config")
RECIPE = 1


def options():
    """The lines of the configuration that are no comments, and no reason to build it again."""
    with open(CONFIG) as file:
        return [line for line in file.read().splitlines() if line.startswith(("CONFIG_", "# CONFIG_"))]


def missing(config, wanted):
    """The options that a configuration lacks: Kconfig drops what it cannot have without a word."""
    with open(config) as file:
        got = set(file.read().splitlines())
    # "is not set" is not said of what is not even offered.
    return [
        line for line in wanted
        if line not in got and not (line.endswith(" is not set") and f"{line.split()[1]}=y" not in got)
    ]  # fmt: skip


class DebugKernel(kernel.Kernel):
    """As a stock kernel, of the same series and version; `series` tells them apart."""

    gib = 4
    # It takes long, and make knows what is done.
    resumable = True
    # Emulating five levels of page tables costs time; the rest is patience.
    arguments = "no5lvl workqueue.watchdog_thresh=120 sysctl.kernel.hung_task_timeout_secs=240"
    memory = 4096
    patience = 6
    toolbox = None

    def __init__(self, series):
        if series not in kernel.SERIES:
            raise Failure(f"there is no debug kernel {series}, only {' and '.join(kernel.SERIES)}: KERNEL=")
        super().__init__(series)
        self.stock = kernel.Kernel(series).get()
        self.clang = clang.Clang().get()
        self.series = f"{series}-debug"
        self.name = f"kernel-{self.series}"
        self.key = cache.recipe_key(RECIPE, self.stock.key, self.stock.release, self.clang.key, *options())

    @property
    def source(self):
        return self.stock.source

    @property
    def make_arguments(self):
        return [f"LLVM={self.clang.programs}/"]

    def make(self):
        os.makedirs(self.kdir, exist_ok=True)
        make = ["make", "-C", self.source, f"O={self.kdir}", *self.make_arguments, f"-j{os.cpu_count()}"]
        with Step(f"building the debug kernel {self.series}", cache.log(self.name)) as step:
            step.run(*make, f"KCONFIG_ALLCONFIG={CONFIG}", "allnoconfig")
            self.check_config()
            step.run(*make, "bzImage", "modules")
            shutil.move(os.path.join(self.kdir, "arch/x86/boot/bzImage"), self.vmlinuz)
            tree = os.path.join(self.dir, "tree")
            step.run(*make, f"INSTALL_MOD_PATH={tree}", "modules_install")
            for link in ("build", "source"):
                path = os.path.join(tree, "lib/modules", self.release, link)
                if os.path.islink(path):
                    os.unlink(path)
            step.run("mke2fs", "-q", "-t", "ext4", "-L", "modules", "-d", f"{tree}/lib/modules", self.modules, "64M")
            shutil.rmtree(tree)
        return [
            "vmlinuz", "modules.ext4", "obj/.config", "obj/Makefile", "obj/Module.symvers",
            "obj/scripts/mod/modpost", "obj/rust/libmacros.so", "obj/rust/libkernel.rmeta",
        ]  # fmt: skip

    def check_config(self):
        if absent := missing(os.path.join(self.kdir, ".config"), options()):
            raise Failure(
                f"the debug kernel {self.series} cannot have {', '.join(absent)}\n"
                f"  mend {CONFIG}; the configuration is {self.kdir}/.config"
            )
