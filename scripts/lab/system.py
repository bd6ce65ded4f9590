# SPDX-License-Identifier: GPL-2.0
"""The system guest: Debian with systemd as init, udev, D-Bus and udisks."""

from . import apt, cache, image
from .guest import Guest


class SystemImage(image.Image):
    """A second root file system, with what looks after disks on a real system."""

    name = "system"
    recipe = 1
    packages = (
        "cryptsetup-bin,dbus,dmsetup,e2fsprogs,fdisk,jq,kmod,mount,parted,procps,python3,squashfs-tools,"
        "systemd,systemd-container,udev,udisks2,util-linux"
    )
    # Logins and timers have nothing to do here. A machine id, else it is a first boot.
    masked = (
        "getty.target", "serial-getty@ttyS0.service", "systemd-logind.service", "timers.target",
        "systemd-update-utmp.service", "systemd-random-seed.service",
    )  # fmt: skip
    options = (
        "--customize-hook=for unit in " + " ".join(masked) + "; do ln -sf /dev/null $1/etc/systemd/system/$unit; done",
        "--customize-hook=echo 6c6f6f706c6f6f706c6f6f706c6f6f70 >$1/etc/machine-id",
    )
    key = cache.recipe_key(recipe, packages, masked, apt.SUITE, image.SIZE_MIB)


class NeighboursImage(SystemImage):
    """A third one, with programs that people run beside loop devices: three times as large."""

    name = "neighbours"
    recipe = 1
    packages = (
        f"{SystemImage.packages},blktrace,bpftrace,crun,dosfstools,erofs-utils,kpartx,lvm2,mdadm,mkosi,mtools,podman,"
        "qemu-utils,sysstat,systemd-repart"
    )
    key = cache.recipe_key(recipe, packages, SystemImage.masked, apt.SUITE, image.SIZE_MIB)


class SystemGuest(Guest):
    """A guest whose command runs as a service, once the system is up.

    No driver is loaded: `modules` is the disk of kernel modules that modprobe
    finds, at first the kernel's own.
    """

    image = SystemImage
    init = "system"
    boot_seconds = 300


class NeighboursGuest(SystemGuest):
    image = NeighboursImage
