# SPDX-License-Identifier: GPL-2.0
"""clang and lld of rustc's own LLVM: Rust together with KASAN takes a kernel built by them.

The toolbox, which everything waits for, goes without: only the debug kernel needs them.
"""

import os

from . import apt, cache
from .say import Step

# What rustc --version --verbose calls the LLVM version. The rest of LLVM is in the toolbox.
LLVM = 19
PACKAGES = (f"clang-{LLVM}", f"libclang-cpp{LLVM}", f"lld-{LLVM}")
TREE = f"usr/lib/llvm-{LLVM}"


class Clang(cache.Entry):
    """`programs`: a directory with all that LLVM= of a kernel's make looks for."""

    name = "clang"
    gib = 1
    key = cache.recipe_key(1, PACKAGES, apt.SUITE)

    @property
    def programs(self):
        return os.path.join(self.dir, TREE, "bin")

    def make(self):
        apt.update()
        with Step("fetching clang", cache.log("clang")) as step:
            apt.unpack(step, PACKAGES, self.dir)
        # The other programs, and headers (lib/clang), are the toolbox's.
        for name in ("lib/clang", *(f"bin/{name}" for name in os.listdir(f"/{TREE}/bin"))):
            if not os.path.lexists(os.path.join(self.dir, TREE, name)):
                os.symlink(f"/{TREE}/{name}", os.path.join(self.dir, TREE, name))
        return [f"{TREE}/bin/clang", f"{TREE}/bin/ld.lld", f"{TREE}/lib/clang"]
