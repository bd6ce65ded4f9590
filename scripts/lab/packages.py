# SPDX-License-Identifier: GPL-2.0
"""`make test-packages`: the Debian packages installed and removed on a system in a guest, then on machines that reboot.

The kernel's own modules lie on the guest's disk of modules; a package without
files stands for them, since ours depend on it. A second guest takes only signed
modules. The checks are scripts/guest/packages.py.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from . import accelerator, apt, cache, deb, dropin, image, kernel, kernel_tree, kselftest, machine
from .guest import INSIDE
from .say import Failure, Step
from .system import SystemGuest, SystemImage

CHECKS = os.path.join(INSIDE, "packages.py")
ENFORCED = "enforced"
# What `make test` does of them.
SHORT = ("prepare", "apt_installs", "reload", "new_kernel", "purged")


class PackagesImage(SystemImage):
    """A system that can install packages, and has an initramfs."""

    name = "packages"
    recipe = 1
    packages = f"{SystemImage.packages},apt,initramfs-tools,mokutil"
    key = cache.recipe_key(recipe, packages, SystemImage.masked, apt.SUITE, image.SIZE_MIB)


class PackagesGuest(SystemGuest):
    image = PackagesImage
    further_arguments = ""

    def __init__(self, *arguments, **options):
        # It takes minutes on a busy machine, and each time, since no write stays.
        kernel_arguments = f"systemd.mask=ldconfig.service {self.further_arguments}"
        super().__init__(*arguments, kernel_arguments=kernel_arguments, **options)


class EnforcingGuest(PackagesGuest):
    """A guest that lets only signed modules in."""

    further_arguments = "module.sig_enforce=1"


class Run(dropin.Run):
    checks, guest_type = CHECKS, PackagesGuest


class EnforcingRun(Run):
    guest_type = EnforcingGuest


def stand_in(step, where, release, version, name):
    """A package without files, with the name and a version of the kernel's modules."""
    tree = os.path.join(where, "stand-in")
    os.makedirs(os.path.join(tree, "DEBIAN"))
    deb.write(
        f"Package: linux-modules-{release}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody\n"
        "Description: stands for the modules that are there\n",
        tree, "DEBIAN/control",
    )  # fmt: skip
    step.run("dpkg-deb", "--build", tree, os.path.join(where, f"linux-modules-{release}_{name}.deb"))
    shutil.rmtree(tree)


def payload(where, tree):
    """What the guest gets beside the checks."""
    with Step("packages for the guest", cache.log("packages")) as step:
        stand_in(step, where, tree.release, tree.version, "right")
        stand_in(step, where, tree.release, tree.version + "+other", "other")
        step.run(
            "openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test key/", "-outform", "DER",
            "-keyout", f"{where}/mok.key", "-out", f"{where}/mok.pub",
        )  # fmt: skip
    shutil.copy(os.path.join(tree.kdir, "scripts/sign-file"), where)
    shutil.copy(os.path.join(deb.PLACE, f"loop-rust-{deb.version()}/build/{tree.release}/loop.ko"), f"{where}/foreign.ko")


def run_guests(series, of_guests):
    """Build the packages of the lab's kernel and run checks in guests, each with its type and checks; returns the tally."""
    stock = kernel.Kernel(series).get()
    tree = next((tree for tree in kernel_tree.offered(series) if tree.release == stock.release), None)
    if not tree:
        raise Failure(f"the mirror has no {stock.release} any more; remove {stock.dir} from the cache to have its successor")
    with cache.locked(deb.PLACE + ".lock", "building packages"):
        debs = deb.build_in(deb.PLACE, [tree.get()], "deb")
        PackagesImage().get()
        accel = accelerator.choose(stock)
        with tempfile.TemporaryDirectory() as temporary:
            payload(temporary, tree)
            files = [*debs, *(os.path.join(temporary, name) for name in os.listdir(temporary))]
            first, *others = [wanted(stock, accel, "packages", names, None, files) for wanted, names in of_guests]
    for other in others:
        first.add(other)
    return kselftest.report([first], dict.fromkeys(name for _, names in of_guests for name in names), {})


def run_short(series):
    """Install, reload and purge, without a reboot; returns the tally."""
    return run_guests(series, [(Run, list(SHORT))])


def run(series):
    """All checks, and the machines that reboot; returns the tally."""
    listed = subprocess.run([sys.executable, CHECKS, "--list"], check=True, capture_output=True, text=True)
    ordinary = [name for name in listed.stdout.split() if name != ENFORCED]
    tally = run_guests(series, [(Run, ordinary), (EnforcingRun, ["prepare", ENFORCED])])
    tally += machine.run(series)
    return tally
