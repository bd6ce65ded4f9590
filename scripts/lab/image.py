# SPDX-License-Identifier: GPL-2.0
"""The guest's root file system: a small Debian, the same for every kernel."""

import os

from . import apt, cache
from .say import Step

PACKAGES = (
    "attr,bash,bc,bsdextrautils,btrfs-progs,coreutils,cryptsetup-bin,dmsetup,dosfstools,e2fsprogs,"
    "fdisk,fio,jq,kmod,mount,perl-base,procps,psmisc,python3,squashfs-tools,strace,udev,util-linux,"
    "xfsprogs"
)
MIB = 1 << 20
SIZE_MIB = 1536
# Namespaces of an NVMe disk are named in the order in which they are found, so
# the kernel is told its root by the signature of a partition table.
DISK_SIGNATURE = "6c6f6f70"
RECIPE = 1


class GuestImage(cache.Entry):
    """`root.img`: one ext4 partition. Guests share it and throw their writes away."""

    name = "guest"
    gib = 2
    key = cache.recipe_key(RECIPE, PACKAGES, apt.SUITE, SIZE_MIB)
    partuuid = f"{DISK_SIGNATURE}-01"

    @property
    def path(self):
        return os.path.join(self.dir, "root.img")

    def make(self):
        tar = os.path.join(self.dir, "root.tar")
        with Step("making the guest image", cache.log("guest-image")) as step:
            step.run(
                "mmdebstrap", "--mode=root", "--variant=essential", f"--include={PACKAGES}",
                '--aptopt=APT::Install-Recommends "false";' + apt.PROXY,
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                # Where guest-init mounts what differs from guest to guest.
                "--customize-hook=mkdir $1/lab $1/usr/lib/modules",
                apt.SUITE, tar, f"deb {apt.mirror()} {apt.SUITE} main",
            )  # fmt: skip
            with open(self.path, "wb") as image:
                image.truncate((SIZE_MIB + 1) * MIB)
            table = f"label: dos\nlabel-id: 0x{DISK_SIGNATURE}\nstart={MIB // 512}, type=83\n"
            step.run("sfdisk", "--quiet", self.path, input=table)
            step.run(
                "mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", tar,
                "-E", f"offset={MIB}", self.path, f"{SIZE_MIB}M",
            )  # fmt: skip
            os.unlink(tar)
        return ["root.img"]
