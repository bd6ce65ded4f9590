#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is done with the Debian packages on a machine that boots several times (scripts/lab/machine.py).

    machine.py --list                  the names of the steps, boot after boot, of each machine
    machine.py SECURE-BOOT STEP…       take some of the steps of one boot

The keys of the machine's owner lie beside it.
"""

import contextlib
import glob
import json
import os
import shutil
import sys

import checks
from checks import has, shown as sh, want

RELEASE = os.uname().release
PLACED = "/lib/modules/{}/updates/loop.ko"
LOADED_VERSION = "/sys/module/loop/version"
REPOSITORY = "/repository"
GRUB = "/etc/default/grub"
MOK = "/var/lib/dkms"
SNAPS = 30
SNAP = "/srv/snap"


def apt(arguments):
    return sh(f"apt-get -qy --no-install-recommends -o APT::Sandbox::User=root {arguments}")


def offer(*groups):
    """Let apt know only these repositories."""
    for path in glob.glob("/etc/apt/sources.list*/*"):
        os.unlink(path)
    with open("/etc/apt/sources.list", "w") as file:
        file.write("".join(f"deb [trusted=yes] file:{REPOSITORY}/{group} ./\n" for group in groups))
    apt("update")


def next_module(release=RELEASE):
    """The module that modprobe would load for a kernel."""
    return sh(f"modinfo -k {release} -F filename loop")


def next_is_ours(release=RELEASE):
    want(next_module(release) == PLACED.format(release), "modprobe would load another module")


def next_is_c(release=RELEASE):
    has(next_module(release), f"/lib/modules/{release}/kernel/drivers/block/loop.ko")


def version(package="loop-rust-common"):
    return sh(f"dpkg-query -f '${{Version}}' -W {package}")


def loaded_is_ours(number):
    sh("modprobe loop")
    with open(LOADED_VERSION) as file:
        want(file.read().strip() == number, f"version {number} is not the one that is loaded")


def loaded_is_c():
    sh("modprobe loop")
    want(not os.path.exists(LOADED_VERSION), "ours is loaded")


def snaps_are_there():
    """All images of /etc/fstab are mounted, each by a loop device, and can be read."""
    mounts = sh("findmnt -rn -t squashfs -o SOURCE").split()
    want(len([source for source in mounts if source.startswith("/dev/loop")]) == SNAPS, "not all snaps are mounted")
    for number in range(SNAPS):
        with open(f"{SNAP}/{number}/word") as file:
            want(file.read() == str(number), f"snap {number} has other content")


def releases():
    return sorted(path.rpartition("/vmlinuz-")[2] for path in glob.glob("/boot/vmlinuz-*"))


def other_release():
    """The kernel beside the one that runs."""
    (release,) = [release for release in releases() if release != RELEASE]
    return release


def has_c():
    """A machine as the user has it: the C driver is loaded, and images are mounted at boot."""
    loaded_is_c()
    sh("update-grub")
    os.makedirs(SNAP)
    with open("/etc/fstab", "a") as fstab:
        for number in range(SNAPS):
            os.makedirs(f"{SNAP}/{number}")
            os.makedirs(f"/tmp/{number}")
            with open(f"/tmp/{number}/word", "w") as file:
                file.write(str(number))
            checks.sh(f"mksquashfs /tmp/{number} {SNAP}/{number}.snap -quiet -no-progress")
            fstab.write(f"{SNAP}/{number}.snap {SNAP}/{number} squashfs loop,ro,nofail 0 0\n")
    sh("systemctl daemon-reload && mount --all")
    snaps_are_there()


def installs():
    """Installed by its metapackage while devices of the C driver are in use: it is placed, and nothing is changed over."""
    offer("before")
    has(apt("install loop-rust-cloud-amd64"), "the kernel's C driver is loaded now", "modprobe -r loop && modprobe loop")
    next_is_ours()
    loaded_is_c()
    snaps_are_there()


def is_loaded():
    """After a reboot ours is the one that is loaded, and it has mounted the images."""
    next_is_ours()
    loaded_is_ours(version())
    snaps_are_there()


def second_kernel():
    """A new kernel without a package: the user is told once, and it will have the C driver."""
    offer("before", "kernels")
    (path,) = glob.glob(f"{REPOSITORY}/kernels/linux-image-*")
    release = os.path.basename(path).split("_")[0].removeprefix("linux-image-")
    lines = [line for line in apt(f"install linux-image-{release}").splitlines() if line.startswith("loop-rust:")]
    want(len(lines) == 1, f"it did not speak once of the new kernel: {lines}")
    has(lines[0], release, "C driver", f"apt install loop-rust-modules-{release}")
    next_is_c(release)
    root = sh("findmnt -no UUID /")
    with open(GRUB, "a") as file:
        file.write(f'GRUB_DEFAULT="gnulinux-advanced-{root}>gnulinux-{release}-advanced-{root}"\n')
    sh("update-grub")


def upgrades():
    """A new version comes with a module for the new kernel too, while devices of the old version are in use."""
    before, release = version(), other_release()
    placed = os.stat(PLACED.format(RELEASE))
    offer("now", "kernels")
    apt("dist-upgrade")
    # The metapackage follows the newest kernel, which may be the one that runs.
    apt(f"install loop-rust-modules-{release}")
    want(version() != before, "it was not upgraded")
    want(os.stat(PLACED.format(RELEASE)).st_ino != placed.st_ino, "the old module is still in its place")
    loaded_is_ours(before)
    snaps_are_there()
    for each in (RELEASE, release):
        next_is_ours(each)


def second_kernel_booted():
    """The new kernel runs, with ours."""
    want(glob.glob(f"{REPOSITORY}/kernels/linux-image-{RELEASE}_*"), f"{RELEASE} is the kernel of before")
    next_is_ours()
    loaded_is_ours(version())
    snaps_are_there()


def purged():
    """Purged while devices are in use: both kernels have the C driver again, and nothing is left."""
    has(apt("purge loop-rust-common"), "the Rust driver, version", "is loaded now")
    for release in releases():
        next_is_c(release)
    places = ("/usr/lib/loop-rust", "/var/lib/loop-rust", "/etc/kernel/postinst.d/loop-rust", "/lib/modules/*/updates")
    left = [path for place in places for path in glob.glob(place)]
    want(not left, f"left: {left}")
    snaps_are_there()


def c_again():
    """After a reboot the C driver is loaded, and has mounted the images."""
    loaded_is_c()
    snaps_are_there()


def secure_boot():
    """The firmware enforces Secure Boot, and the kernel takes only signed modules."""
    has(sh("mokutil --sb-state"), "SecureBoot enabled")
    with contextlib.suppress(FileNotFoundError):
        has(sh("cat /sys/kernel/security/lockdown"), "[integrity]")
    sh("update-grub")
    loaded_is_c()
    sh("udevadm settle --timeout=120 && modprobe -r loop")


def has_key():
    """The machine has a key for DKMS, as dkms generate_mok makes one."""
    os.makedirs(MOK)
    for name in ("mok.key", "mok.pub"):
        shutil.copy(name, MOK)


def signed():
    """With the key enrolled the module is signed when it is placed."""
    secure_boot()
    has_key()
    has(sh(f"mokutil --test-key {MOK}/mok.pub; true"), "is already enrolled")
    offer("now")
    apt(f"install loop-rust-modules-{RELEASE}")
    next_is_ours()
    want(sh(f"modinfo -F signer {PLACED.format(RELEASE)}") == "owner's key", "another key has signed it")


def signed_is_loaded():
    """After a reboot the kernel has taken it."""
    has(sh("mokutil --sb-state"), "SecureBoot enabled")
    loaded_is_ours(version())
    sh("truncate -s 1M /run/image && losetup -fP --show /run/image && losetup -D")


def not_signed():
    """A key that is not enrolled: the module is not placed, and the package says what to do."""
    secure_boot()
    has_key()
    offer("now")
    has(apt(f"install loop-rust-modules-{RELEASE}"), "not placed", "mokutil --import", "dpkg-reconfigure")
    next_is_c()
    has(sh(f"insmod /usr/lib/loop-rust/{RELEASE}/loop.ko", 1), "Key was rejected")
    loaded_is_c()


def c_stays():
    """After a reboot the C driver is loaded."""
    loaded_is_c()
    sh("truncate -s 1M /run/image && losetup -fP --show /run/image && losetup -D")


# By the state of Secure Boot.
LIVES = {
    "off": ((has_c, installs), (is_loaded, second_kernel, upgrades), (second_kernel_booted, purged), (c_again,)),
    "enrolled": ((signed,), (signed_is_loaded,)),
    "on": ((not_signed,), (c_stays,)),
}


def main():
    if sys.argv[1] == "--list":
        print(json.dumps({name: [[step.__name__ for step in boot] for boot in boots] for name, boots in LIVES.items()}))
        return
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    os.makedirs(REPOSITORY, exist_ok=True)
    sh(f"mount -o ro LABEL=repository {REPOSITORY}")
    for boot in LIVES[sys.argv[1]]:
        for step in boot:
            if step.__name__ in sys.argv[2:]:
                checks.run(step)


main()
