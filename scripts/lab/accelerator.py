# SPDX-License-Identifier: GPL-2.0
"""Whether QEMU uses KVM or emulates.

/dev/kvm may open and yet be unable to run a stock kernel (nested, paravirtual
hosts), so KVM is used only after a guest has really booted under it once.
"""

import os
import platform
import subprocess

from . import apt, cache
from .say import Failure, say

PROBE_SECONDS = 30


class Accelerator:
    def __init__(self, name, options):
        self.name, self.options = name, options


KVM = Accelerator("kvm", ["-accel", "kvm", "-cpu", "host"])
TCG = Accelerator("tcg", ["-accel", "tcg,thread=multi", "-cpu", "max"])
# QEMU's way to authenticate pointers is the fastest that emulation has.
ARM64 = Accelerator("tcg", ["-accel", "tcg,thread=multi", "-cpu", "max,pauth-impdef=on"])
# For measuring: the guest's clock advances a nanosecond an instruction. One CPU only.
ICOUNT = Accelerator(
    "icount", ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max"]
)


def read(path):
    with open(path) as file:
        return file.read().strip()


def probe(kernel):
    """Boot a guest under KVM and see. The answer holds for this boot of the host."""
    from .guest import Guest

    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout
    boot = read("/proc/sys/kernel/random/boot_id")
    answer = cache.path("kvm-" + cache.recipe_key(platform.release(), boot, version))
    if not os.path.exists(answer):
        say("/dev/kvm is there, trying whether a guest boots under it …")
        guest = Guest(kernel, KVM)
        works = guest.run(["true"], PROBE_SECONDS, take=lambda line: None) == 0
        say("it does, using KVM" if works else f"it does not ({guest.verdict}; {guest.dmesg}), emulating")
        with open(answer, "w") as file:
            file.write("yes" if works else "no")
    return read(answer) == "yes"


def choose(kernel, wanted=None):
    """The accelerator asked for (kvm, tcg, icount), else the best that works."""
    if kernel.arch != apt.ARCH:
        if wanted not in (None, "tcg"):
            raise Failure(f"a guest of {kernel.arch} can only be emulated here, not run with {wanted}")
        return ARM64
    if wanted:
        return {"kvm": KVM, "tcg": TCG, "icount": ICOUNT}[wanted]
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return TCG
    return KVM if probe(kernel) else TCG
