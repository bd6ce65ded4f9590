#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Installs and removes the Debian packages, in the guest of `make test-packages`.

    packages.py --list          names of the checks (see checks.py)
    packages.py NAME CHECK…     run some

The packages lie beside it.
"""

import glob
import os
import shutil

import checks
from checks import has, shown as sh, want

RELEASE = os.uname().release
TREE = f"/lib/modules/{RELEASE}"
PLACED = f"{TREE}/updates/loop.ko"
INITRD = f"/boot/initrd.img-{RELEASE}"
MODULES = f"loop-rust-modules-{RELEASE}"
TOOL = "/usr/lib/loop-rust/loop-rust-module"
LOADED_VERSION = "/sys/module/loop/version"
# Directory of stand-ins for programs: for mokutil, which needs EFI, and for those that are to fail.
STUB = "/run/stub"
MOK = "/var/lib/dkms"


def deb(pattern):
    (path,) = glob.glob(f"{os.getcwd()}/{pattern}")
    return path


# udev opens devices that were just made, or detached.
UNLOAD = "udevadm settle --timeout=120 && modprobe -r loop"


def next_is_ours():
    path = sh(f"modinfo -k {RELEASE} -F filename loop")
    want(path == PLACED, f"modprobe takes {path}")


def next_is_c():
    path = sh(f"modinfo -k {RELEASE} -F filename loop")
    want(path.startswith(f"{TREE}/kernel/drivers/block/loop.ko"), f"modprobe takes {path}")


def install():
    return sh(f"apt-get install -qy -o DPkg::Path=$PATH --no-install-recommends {deb('loop-rust-common_*')} {deb(MODULES + '_*')}")


def purge():
    return sh("apt-get purge -qy -o DPkg::Path=$PATH loop-rust-common")


def stub(name, script):
    os.makedirs(STUB, exist_ok=True)
    with open(f"{STUB}/{name}", "w") as file:
        file.write(f"#!/bin/sh\n{script}\n")
    os.chmod(f"{STUB}/{name}", 0o755)
    os.environ["PATH"] = f"{STUB}:" + os.environ["PATH"].removeprefix(f"{STUB}:")


def mokutil(enabled, enrolled):
    stub(
        "mokutil",
        f"[ $1 != --sb-state ] || echo SecureBoot {'enabled' if enabled else 'disabled'}\n"
        f"[ $1 != --test-key ] || {{ echo $2 is {'already' if enrolled else 'not'} enrolled; exit {int(enrolled)}; }}",
    )


def prepare():
    """An initramfs with loop in it, and what stands for the package of the modules that are there."""
    sh(f"dpkg -i {deb('linux-modules-*_right.deb')}")
    sh("sed -i 's/^MODULES=.*/MODULES=list/' /etc/initramfs-tools/initramfs.conf; echo loop >>/etc/initramfs-tools/modules")
    sh(f"update-initramfs -c -k {RELEASE}")
    has(sh(f"lsinitramfs {INITRD} | grep loop.ko"), "kernel/drivers/block/loop.ko")
    next_is_c()


def apt_installs():
    """It is placed, in the initramfs too, and the C driver that is loaded stays."""
    sh("modprobe loop")
    has(install(), "the kernel's C driver is loaded now", "modprobe -r loop && modprobe loop")
    next_is_ours()
    has(sh(f"lsinitramfs {INITRD} | grep loop.ko"), "/updates/loop.ko")
    want(not os.path.exists(LOADED_VERSION), "the driver was changed over")


def reload():
    """After a reload ours is loaded, and works."""
    sh(f"{UNLOAD} && modprobe loop")
    version = sh("dpkg-query -f '${Version}' -W loop-rust-common")
    want(sh(f"cat {LOADED_VERSION}") == sh(f"modinfo -k {RELEASE} -F version loop") == version, f"it is not version {version}")
    sh("truncate -s 1M /run/image; losetup -fP --show /run/image && losetup -D")
    sh(UNLOAD)


def new_kernel():
    """The installation of a kernel without a package says so in one line, of one with a package nothing."""
    hook = "/etc/kernel/postinst.d/loop-rust"
    lines = sh(f"{hook} 9.9.9-amd64").splitlines()
    want(len(lines) == 1, f"not one line: {lines}")
    has(lines[0], "9.9.9-amd64", "C driver", "apt install loop-rust-modules-9.9.9-amd64")
    want(sh(f"{hook} {RELEASE}") == "", "it speaks of a kernel that has its package")


def purged():
    """Back to the C driver, and nothing is left."""
    sh("modprobe loop")
    has(purge(), "the Rust driver, version", "is loaded now")
    next_is_c()
    has(sh(f"lsinitramfs {INITRD} | grep loop.ko"), "kernel/drivers/block/loop.ko")
    left = [
        path for path in ("/usr/lib/loop-rust", "/var/lib/loop-rust", "/etc/kernel/postinst.d/loop-rust", f"{TREE}/updates")
        if os.path.exists(path)
    ]  # fmt: skip
    want(not left, f"left: {left}")
    sh(f"{UNLOAD} && modprobe loop")
    want(not os.path.exists(LOADED_VERSION), "ours is still loaded")
    sh(UNLOAD)
    # It takes a while to be made anew, and is not looked at any more.
    os.unlink(INITRD)


def upgrade():
    """To configure it again changes nothing."""
    install()
    before = os.stat(PLACED).st_size
    sh(f"dpkg-reconfigure {MODULES}")
    next_is_ours()
    want(os.stat(PLACED).st_size == before, "another file was placed")


def failures():
    """An initramfs that cannot be written (/boot is full) stops no package, and a depmod that fails leaves a driver."""
    purge()
    sh(f"update-initramfs -c -k {RELEASE}")
    stub("update-initramfs", "exit 1")
    has(install(), "is the old one", f"run: update-initramfs -u -k {RELEASE}")
    next_is_ours()
    stub("depmod", "exit 1")
    has(sh(f"dpkg -r {MODULES} 2>&1 || echo refused"), "depmod failed", "refused")
    next_is_ours()
    want(os.path.exists(PLACED), "modules.dep names a file that is gone")
    os.unlink(f"{STUB}/depmod")
    # Unpacked and not configured: dpkg removes it without its prerm.
    sh(f"dpkg --unpack {deb(MODULES + '_*')} && dpkg -r {MODULES}")
    next_is_c()
    os.unlink(f"{STUB}/update-initramfs")
    purge()
    os.unlink(INITRD)
    install()


def other_modules():
    """Where the kernel's modules get another version, apt has to remove ours."""
    sh(f"apt-get install -qy {deb('linux-modules-*_other.deb')}")
    next_is_c()
    sh(f"apt-get install -qy --allow-downgrades {deb('linux-modules-*_right.deb')}")
    install()
    next_is_ours()
    purge()


def foreign():
    """A module that somebody else has put there stays, also when the package goes."""
    os.makedirs(f"{TREE}/updates")
    shutil.copy("foreign.ko", PLACED)
    sh(f"depmod {RELEASE}")
    has(install(), "is of somebody else")
    purge()
    sh(f"cmp foreign.ko {PLACED}")
    shutil.rmtree(f"{TREE}/updates")
    sh(f"depmod {RELEASE}")


def signed():
    """With Secure Boot (mokutil is a stub that says so) it is signed by the key that is enrolled."""
    mokutil(enabled=True, enrolled=True)
    os.makedirs(MOK, exist_ok=True)
    for name in ("mok.key", "mok.pub"):
        shutil.copy(name, MOK)
    tools = "/usr/lib/linux-kbuild-test/scripts"
    os.makedirs(tools)
    shutil.copy("sign-file", tools)
    install()
    next_is_ours()
    signer = sh(f"modinfo -k {RELEASE} -F signer loop")
    want(signer == "test key", f"signed by '{signer}'")


def not_signed():
    """With Secure Boot and no key that is enrolled it goes, and the package says what to do."""
    mokutil(enabled=True, enrolled=False)
    has(sh(f"dpkg-reconfigure {MODULES}"), "not placed", "mokutil --import", f"dpkg-reconfigure {MODULES}")
    next_is_c()
    purge()


def enforced():
    """On a kernel that takes only signed modules it is not placed; had it been, there would be no driver."""
    has(install(), "not placed")
    next_is_c()
    sh(f"modprobe loop && {UNLOAD}")
    os.makedirs(f"{TREE}/updates", exist_ok=True)
    shutil.copy(f"/usr/lib/loop-rust/{RELEASE}/loop.ko", PLACED)
    sh(f"depmod {RELEASE}")
    sh("modprobe loop", status=1)


CHECKS = (
    prepare, apt_installs, reload, new_kernel, purged, upgrade, failures, other_modules, foreign, signed, not_signed, enforced,
)  # fmt: skip


def main():
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    for check in checks.chosen(CHECKS):
        checks.run(check)


main()
