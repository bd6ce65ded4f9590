# SPDX-License-Identifier: GPL-2.0
"""The guests' root file system: a small Debian, the same for every kernel."""

import os

from . import apt, cache
from .say import Step

MIB = 1 << 20
SIZE_MIB = 1536
# Namespaces of an NVMe disk are named in the order in which they are found, so
# the kernel is told its root by the signature of a partition table.
DISK_SIGNATURE = "6c6f6f70"


class Image(cache.Entry):
    """`root.img`: one ext4 partition. Guests share it and throw their writes away."""

    gib = 2
    packages = ""
    # Further arguments of mmdebstrap.
    options = ()
    partuuid = f"{DISK_SIGNATURE}-01"

    @property
    def path(self):
        return os.path.join(self.dir, "root.img")

    def make(self):
        tar = os.path.join(self.dir, "root.tar")
        with Step(f"making the {self.name} image", cache.log(f"{self.name}-image")) as step:
            step.run(
                "mmdebstrap", "--mode=root", "--variant=essential", f"--include={self.packages}",
                '--aptopt=APT::Install-Recommends "false";' + apt.PROXY,
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                # Where guest/init mounts what differs from guest to guest.
                "--customize-hook=mkdir -p $1/lab $1/usr/lib/modules", *self.options,
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


class GuestImage(Image):
    """What runs the tests: udev and tools, no init system."""

    name = "guest"
    recipe = 1
    packages = (
        "attr,bash,bc,bsdextrautils,btrfs-progs,coreutils,cryptsetup-bin,dmsetup,dosfstools,e2fsprogs,"
        "f2fs-tools,fdisk,fio,jq,kmod,mount,perl-base,procps,psmisc,python3,squashfs-tools,strace,udev,util-linux,"
        "xfsprogs"
    )
    key = cache.recipe_key(recipe, packages, apt.SUITE, SIZE_MIB)


class BenchImage(GuestImage):
    """What `make bench` boots for the cases that run real programs: more packages."""

    name = "bench"
    recipe = 1
    packages = f"{GuestImage.packages},git,postgresql-17,rsync,sqlite3"
    key = cache.recipe_key(recipe, packages, apt.SUITE, SIZE_MIB)
