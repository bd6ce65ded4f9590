# SPDX-License-Identifier: GPL-2.0
"""`make series-test`: the kernel of the series, with the driver built in and as a module, in guests.

Built in, the driver gets its parameters from the kernel's command line, and the
root file system is on a loop device that an initramfs has attached. As a module
it passes the kselftests of the tree.
"""

import os
import shutil
import tempfile

from . import accelerator, apt, cache, dmesg, image, kernel, kernel_debug, kselftest, series
from .guest import Guest
from .say import Step, say
from .tally import Tally

SECONDS = 120
ROOT_ON_LOOP = """#!/bin/busybox sh
busybox mount -t devtmpfs devtmpfs /dev
# Only the root disk has a partition.
until busybox losetup /dev/loop0 /dev/nvme0n*p1 2>/dev/null; do
	busybox sleep 0.1
done
busybox mount -t ext4 /dev/loop0 /new
exec busybox switch_root /new /bin/sh "$@"
"""
BUILT_IN = """
set -ex
[ "$(findmnt -no SOURCE /)" = /dev/loop0 ]
[ "$(cat /sys/module/loop/parameters/max_loop)" = 12 ]
[ -e /dev/loop11 ]
[ ! -e /dev/loop12 ]
[ "$(modinfo -F filename loop)" = "(builtin)" ]
# The examples in the documentation, which KUnit has run.
dmesg | grep -q '\\] ok [0-9]* rust_doctests_kernel'
truncate -s 64M /tmp/image
loop=$(losetup --find --show /tmp/image)
mkfs.ext4 -q $loop
mount $loop /mnt
cp -r /etc /mnt/
sync /mnt
umount /mnt
losetup --detach $loop
e2fsck -fn /tmp/image
"""


class SeriesKernel(kernel.Kernel):
    """The tree of the series, built with some options; only as good as the last build."""

    arguments = kernel_debug.DebugKernel.arguments
    toolbox = None

    def __init__(self, built, stage):
        super().__init__(series.SERIES)
        self.built, self.stage = built, stage
        self.series = f"{series.SERIES}-series"
        self.name = f"kernel-{self.series}"

    kdir = property(lambda self: self.built.obj)
    source = property(lambda self: self.built.tree.linux)
    vmlinuz = property(lambda self: os.path.join(self.stage, "vmlinuz"))
    modules = property(lambda self: os.path.join(self.stage, "modules.ext4"))
    initrd = property(lambda self: os.path.join(self.stage, "initrd") if self.root_on_loop else None)
    root_on_loop = False

    def make(self, step, *options):
        """Builds it, with changed options, and takes from it what a guest needs."""
        self.built.configure(step, options)
        self.built.run(step, "bzImage", "modules", "headers")
        shutil.copy(os.path.join(self.kdir, "arch/x86/boot/bzImage"), self.vmlinuz)
        tree = os.path.join(self.stage, "tree")
        shutil.rmtree(tree, ignore_errors=True)
        self.built.run(step, f"INSTALL_MOD_PATH={tree}", "modules_install")
        step.run("rm", "-f", f"{tree}/lib/modules/{self.release}/build")
        step.run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "modules", "-d", f"{tree}/lib/modules", self.modules, "64M")

    def make_root_on_loop(self, step):
        place = os.path.join(self.stage, "initramfs")
        for name in ("bin", "dev", "new"):
            os.makedirs(os.path.join(place, name))
        options = apt.archive(apt.BACKPORTS, apt.ARCH)
        apt.unpack(step, ["busybox-static"], os.path.join(place, "packages"), options=options)
        shutil.move(os.path.join(place, "packages/usr/bin/busybox"), os.path.join(place, "bin"))
        shutil.rmtree(os.path.join(place, "packages"))
        with open(os.path.join(place, "init"), "w") as file:
            file.write(ROOT_ON_LOOP)
        os.chmod(os.path.join(place, "init"), 0o755)
        archive = os.path.join(self.stage, "initrd")
        step.run("sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc >"$2"', "sh", place, archive)
        self.root_on_loop = True


def boot_built_in(booted, accel):
    """Returns what was wrong."""
    say(f"booting {booted.release} with the driver built in, from a loop device ({accel.name})")
    guest = Guest(booted, accel, kernel_arguments="loop.max_loop=12")
    status = guest.run(["sh", "-c", BUILT_IN], SECONDS)
    problems = [guest.verdict or f"the command failed ({status})"] if status else []
    problems += dmesg.complaints(guest.dmesg)
    return problems + [f"the logs are {guest.output} and {guest.dmesg}"] if problems else []


def run(globs):
    """Both; returns the tally."""
    tree = series.Tree().get()
    image.GuestImage(apt.ARCH).get()
    accel = accelerator.choose(tree.stock)
    tally = Tally()
    with (
        cache.locked(cache.path("series-kernel.lock"), "the tree of the series"),
        tempfile.TemporaryDirectory(prefix="series-", dir=cache.path("")) as stage,
    ):
        series.commit(tree)
        booted = SeriesKernel(series.Build(tree, "x86_64"), stage)
        with Step("building the kernel of the series, the driver built in", cache.log("series-kernel-y")) as step:
            booted.make_root_on_loop(step)
            tree.git(step, "checkout", "--quiet", "series")
            booted.make(step)
        problems = boot_built_in(booted, accel)
        for problem in problems:
            say(problem)
        print(f"{'FAIL' if problems else 'ok  '}  built in, root on a loop device", flush=True)
        tally += Tally(passed=not problems, failed=bool(problems))
        booted.root_on_loop = False
        with Step("building the kernel of the series, the driver a module", cache.log("series-kernel-m")) as step:
            booted.make(step, "CONFIG_BLK_DEV_LOOP_RUST=m")
        runs, names, defects = kselftest.run_tests_of_tree(booted, accel, globs)
        tally += kselftest.report(runs, names, defects)
    return tally
