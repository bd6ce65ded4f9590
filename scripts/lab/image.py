# SPDX-License-Identifier: GPL-2.0
"""The guests' root file system: a small Debian, the same for every kernel."""

import os
import shutil

from . import apt, cache
from .say import Step

MIB = 1 << 20
SIZE_MIB = 1536
# Namespaces of an NVMe disk are named in the order in which they are found, so
# the kernel is told its root by the signature of a partition table.
DISK_SIGNATURE = "6c6f6f70"

# The kernel runs programs of another architecture by what is registered with it. An ordinary user's namespace has a list
# of its own, since Linux 6.7; with root it is that of the machine, and there only while the image is made.
AARCH64 = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
WITH_AARCH64 = f"""
list=/proc/sys/fs/binfmt_misc
[ -e $list/register ] || mount -t binfmt_misc binfmt_misc $list || exit
if ! [ -e $list/qemu-aarch64 ]; then
	printf '%s' ":qemu-aarch64:M::{AARCH64}:{MASK}:$1:F" >$list/register || exit
	trap 'echo -1 >$list/qemu-aarch64' EXIT
fi
shift
"$@"
"""


class Image(cache.Entry):
    """`root.img`: one ext4 partition. Guests share it and throw their writes away."""

    gib = 2
    packages = ""
    # Further arguments of mmdebstrap.
    options = ()
    partuuid = f"{DISK_SIGNATURE}-01"

    def __init__(self, arch=apt.ARCH):
        self.arch = arch
        if arch != apt.ARCH:
            self.name = f"{self.name}-{arch}"

    @property
    def path(self):
        return os.path.join(self.dir, "root.img")

    def emulation(self, step):
        """What runs a command so that it can run programs of the image's architecture."""
        if self.arch == apt.ARCH:
            return []
        packages = os.path.join(self.dir, "packages")
        apt.update()
        apt.unpack(step, ["qemu-user"], packages)
        return ["sh", "-c", WITH_AARCH64, "sh", f"{packages}/usr/bin/qemu-aarch64"]

    def make(self):
        tar = os.path.join(self.dir, "root.tar")
        with Step(f"making the {self.name} image", cache.log(f"{self.name}-image")) as step:
            step.run(
                *self.emulation(step), "mmdebstrap", "--mode=root", f"--arch={self.arch}", "--skip=check/qemu",
                "--variant=essential", f"--include={self.packages}",
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
        shutil.rmtree(os.path.join(self.dir, "packages"), ignore_errors=True)
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
