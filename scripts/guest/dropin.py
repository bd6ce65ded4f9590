#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a system with systemd does with loop devices, done in the guest by `make test-dropin`.

    dropin.py --list          names of the checks (see checks.py)
    dropin.py c|ours NAME…    run some; says which driver modprobe has to take
"""

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import struct

import checks
from checks import sh, want
from loops import (
    CONTROL, COPY, DISK, DRIVER, HOLD, MIB, MOUNT, PLAIN, UUID, WORD, all_free, attach, bound, detach, devices, load,
    mounted, nodes, nothing_bound, nothing_left, poll, prepare, read, see, settle, tidy, unload, write,
)  # fmt: skip

CONF = "/etc/modprobe.d/loop.conf"
# The parameters that the C driver does not have.
OF_OURS = ("nr_hw_queues", "pinned", "poll_queues")
SNAPS = 50
STORM = 50

LOOP_CLR_FD, LOOP_GET_STATUS64, LOOP_CONFIGURE = 0x4C01, 0x4C05, 0x4C0A
LOOP_CTL_REMOVE, LOOP_CTL_GET_FREE = 0x4C81, 0x4C82
LO_FLAGS_AUTOCLEAR, LO_FLAGS_PARTSCAN, LO_FLAGS_DIRECT_IO = 4, 8, 16
# struct loop_info64: device, inode, rdevice, offset, sizelimit, number,
# encrypt_type, encrypt_key_size, flags, file_name, crypt_name, encrypt_key, init.
LOOP_INFO64 = struct.Struct("=QQQQQIIII64s64s32sQQ")
# struct loop_config: fd, block_size, a struct loop_info64, reserved.
LOOP_CONFIG = struct.Struct(f"=II{LOOP_INFO64.size}s64x")


def error_of(call, *arguments):
    """The name of the error that a system call fails with, or "done"."""
    try:
        result = call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    if call is os.open:
        os.close(result)
    return "done"


# The module


def installed():
    """Which module modprobe takes, and what it and depmod say of it."""
    path = sh("modinfo -F filename loop")
    where = "kernel/drivers/block/" if DRIVER == "c" else "updates/"
    tree = f"/lib/modules/{os.uname().release}"
    want(path.startswith(f"{tree}/{where}loop.ko"), f"modprobe takes {path}")
    for field in ("name", "alias", "parm", "depends", "license", "vermagic"):
        lines = sorted(sh(f"modinfo -F {field} loop").split("\n"))
        see(field, "\n".join(line for line in lines if not line.startswith(OF_OURS)))
    for alias in ("devname:loop-control", "char-major-10-237", "block-major-7-42"):
        see(alias, sh(f"modprobe -R {alias}"))
    see("modules.devname", sh(f"grep ^loop {tree}/modules.devname"))


def autoload_control():
    """Opening the node that systemd made loads the module."""
    want(not os.path.exists("/sys/module/loop"), "the module is loaded already")
    node = os.stat(CONTROL)
    see("node", f"{stat.filemode(node.st_mode)} {node.st_uid} {node.st_gid} {node.st_rdev:#x}")
    control = os.open(CONTROL, os.O_RDWR)
    want(os.path.exists("/sys/module/loop"), "the module was not loaded")
    taint = read("/sys/module/loop/taint")
    want(("O" in taint) == (DRIVER == "ours"), f"the wrong module was loaded (taint {taint!r})")
    settle()
    see("free", fcntl.ioctl(control, LOOP_CTL_GET_FREE))
    see("devices", devices())
    see("nodes", sh(f"stat -c '%A %U %G %t:%T %n' {CONTROL} /dev/loop[0-9]*"))
    os.close(control)
    unload()
    see("left", [name for name in os.listdir("/dev") if name.startswith("loop")])


def autoload_device():
    """Opening a node without a device loads the module and makes the device."""
    dead = "/dev/dead"
    try:
        os.mknod(dead, stat.S_IFBLK | 0o600, os.makedev(7, 42))
        os.close(os.open(dead, os.O_RDONLY))
        settle()
        see("devices", devices())
        want(stat.S_ISBLK(os.stat("/dev/loop42").st_mode), "no /dev/loop42")
        os.unlink(dead)
        # The module is there now, the device is not.
        os.mknod(dead, stat.S_IFBLK | 0o600, os.makedev(7, 300))
        os.close(os.open(dead, os.O_RDONLY))
        settle()
        see("devices", devices())
        with open(CONTROL) as control:
            fcntl.ioctl(control, LOOP_CTL_REMOVE, 42)
        settle()
        see("devices", devices())
    finally:
        os.unlink(dead)
    unload()
    want(not devices(), f"{devices()} are left")


def mount_loads():
    """mount -o loop needs no modprobe."""
    want(not os.path.exists("/sys/module/loop"), "the module is loaded already")
    with mounted(f"mount -o loop,ro {PLAIN} {MOUNT}"):
        see("word", read(f"{MOUNT}/etc/word"))
    all_free()
    unload()


def options():
    """/etc/modprobe.d/loop.conf holds for a module that loads by it"""
    write(CONF, "options loop max_loop=16 max_part=5 hw_queue_depth=32\n")
    try:
        os.close(os.open(CONTROL, os.O_RDWR))
        settle()
        see("devices", sh("cd /sys/block && grep . loop*/dev"))
        parameters()
        device = attach(DISK)
        see("partitions", sh(f"lsblk -nro NAME,MAJ:MIN {device}"))
        see("queue", read(f"/sys/block/{os.path.basename(device)}/queue/nr_requests"))
        detach(device)
        for index in (15, 16):
            dead = f"/dev/dead{index}"
            os.mknod(dead, stat.S_IFBLK | 0o600, os.makedev(7, index * 8))
            see(f"node {index}", error_of(os.open, dead, os.O_RDONLY))
            os.unlink(dead)
        unload()
        write(CONF, "options loop max_part=256\n")
        see("refused", sh("modprobe loop", status=1))
    finally:
        os.unlink(CONF)


def parameters():
    top = "/sys/module/loop/parameters"
    for name in sorted(set(os.listdir(top)) - set(OF_OURS)):
        see(name, f"{stat.filemode(os.stat(f'{top}/{name}').st_mode)} {read(f'{top}/{name}')}")


def default_parameters():
    """Without options the module parameters have their defaults, and the same users may read them."""
    parameters()


# losetup, lsblk, udev


def sysfs(device):
    """All attributes of a disk but those that count or depend on chance.

    The C driver has one hardware queue, so what is below mq/ differs on purpose, no settings and no pinned mode.
    """
    top = os.path.realpath(f"/sys/block/{os.path.basename(device)}")
    skipped = re.compile(r"/(stat|inflight|diskseq|mq|power|trace|subsystem|bdi|device|dio_reason|pinned|pinned_progress|pinned_reason|settings)(/|$)")
    for base, directories, names in os.walk(top):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(base, name)
            if os.path.islink(path) or skipped.search(path[len(top) :]):
                continue
            mode = stat.S_IMODE(os.stat(path).st_mode)
            try:
                text = read(path) if mode & 0o400 else ""
            except OSError as error:
                text = errno.errorcode[error.errno]
            text = re.sub(r"DISKSEQ=\d+|MAJOR=259\nMINOR=\d+", "…", text)
            see(os.path.relpath(path, "/sys/devices/virtual/block"), f"{mode:o} {' / '.join(text.split(chr(10)))}")


def properties(device):
    """What udev knows of a device."""
    lines = sh(f"udevadm info --query=property --name={device}").split("\n")
    chance = ("USEC_INITIALIZED=", "DISKSEQ=", "CURRENT_TAGS=", "MINOR=")
    for line in sorted(lines):
        if not line.startswith(chance):
            line = re.sub(r"/dev/disk/by-diskseq/\d+", "/dev/disk/by-diskseq/…", line)
            if line.startswith("DEVLINKS="):
                line = " ".join(sorted(line.replace("=", " ").split()))
            see(device, line)


def losetup_list():
    """What losetup lists of devices of all kinds."""
    shutil.copy(PLAIN, COPY)
    devices = [
        attach(PLAIN, "--offset 1MiB --sizelimit 4MiB"),
        attach(COPY, "--read-only --loop-ref 'a name'"),
        attach(COPY, "--sector-size 4096 --direct-io=on"),
        attach(DISK, "--partscan"),
    ]
    see("names", devices)
    listed = json.loads(sh("losetup --list --json --output-all"))["loopdevices"]
    for row in sorted(listed, key=lambda row: row["name"]):
        del row["back-min"]
        see("row", json.dumps(row, indent=1))
    see("list", sh("losetup --list"))
    see("all", sh("losetup --all"))
    see("associated", sh(f"losetup --associated {COPY}"))
    see("old", sh(f"losetup {devices[0]}"))
    see("next", sh("losetup --find"))
    see("overlap", sh(f"losetup --find --show --nooverlap --read-only {COPY}"))
    for device in devices:
        detach(device)
    see("after", sh("losetup --list --json"))


def losetup_changes():
    """Capacity, direct I/O and sector size of a bound device."""
    shutil.copy(PLAIN, COPY)
    device = attach(COPY)
    columns = "lsblk -bJo NAME,SIZE,LOG-SEC,PHY-SEC,MIN-IO,OPT-IO,RO,DISC-GRAN,DISC-MAX"
    os.truncate(COPY, 32 * MIB)
    sh(f"losetup --set-capacity {device}")
    see("grown", sh(f"{columns} {device}"))
    sh(f"losetup --direct-io=on {device}")
    see("direct", sh(f"losetup -lnO DIO {device}"))
    sh(f"losetup --sector-size 4096 {device}")
    see("sector", sh(f"{columns} {device}"))
    with mounted(f"mount {device} {MOUNT}"):
        sh(f"resize2fs {device}")
        see("size", sh(f"df --output=size,target {MOUNT}"))
        sh(f"dd if=/dev/urandom of={MOUNT}/junk bs=1M count=8 status=none; sync; rm {MOUNT}/junk")
        before = os.stat(COPY).st_blocks * 512
        sh(f"sync && fstrim {MOUNT}")
        want(os.stat(COPY).st_blocks * 512 <= before - 7 * MIB, "fstrim gave nothing back")
    sh(f"e2fsck -fn {device}")
    detach(device)


def lsblk():
    """What lsblk and blkid say of a partitioned device, and of a free one."""
    device = attach(DISK, "--partscan")
    for which in (f"{device}", "/dev/loop7"):
        rows = json.loads(sh(f"lsblk -x NAME --all --json --bytes --output-all {which}"))["blockdevices"]
        for row in rows + rows[0].get("children", []):
            row.pop("children", None)
            row["min"] = None if row["maj"] == "259" else row["min"]
            # The C driver has one hardware queue.
            del row["mq"]
            see(which, json.dumps(row, indent=1))
    see("table", sh(f"lsblk -x NAME -o NAME,TYPE,MAJ:MIN,RO,RM,SIZE,LOG-SEC,PHY-SEC,FSTYPE,LABEL {device}"))
    see("blkid", sh(f"blkid -p {device} {device}p1 {device}p2"))
    detach(device)


def partitions():
    """Nodes, links, properties and attributes of a partitioned disk; all gone afterwards."""
    before = nodes()
    device = attach(DISK, "--partscan --loop-ref reference")
    for node in nodes():
        if node not in before:
            see("new", node)
    for node in (device, f"{device}p1", f"{device}p2"):
        properties(node)
    sysfs(device)
    detach(device)
    want(nodes() == before, f"left: {set(nodes()) - set(before)}")
    properties(device)
    sysfs(device)


def media_changes():
    """How often a disk becomes another one, which is what by-diskseq and systemd go by."""

    def sequence():
        return int(read("/sys/block/loop0/diskseq"))

    start = sequence()
    device = attach(DISK, "--partscan")
    want(device == "/dev/loop0", f"{device} was the first to be free")
    see("attached", sequence() - start)
    sh(f"losetup --set-capacity {device}")
    see("capacity", sequence() - start)
    sh(f"blockdev --rereadpt {device}")
    see("reread", sequence() - start)
    detach(device)
    see("detached", sequence() - start)


def repartition():
    """sfdisk, partx and parted on a bound device."""
    sh(f"truncate -s 0 {COPY} && truncate -s 32M {COPY}")
    device = attach(COPY, "--partscan")

    def show(what):
        settle()
        see(what, sh(f"lsblk -bnro NAME,SIZE,START,MAJ:MIN,PARTTYPE {device} | sort"))
        see(what, [node for node in nodes() if node.startswith(device)])

    sh(f"printf 'label: dos\\nsize=8M\\nsize=4M\\nsize=+\\n' | sfdisk --wipe always {device}")
    show("sfdisk")
    sh(f"sfdisk --delete {device} 2")
    show("delete")
    sh(f"partx --delete --nr 3 {device}")
    show("partx -d")
    sh(f"partx --add --nr 3 {device}")
    show("partx -a")
    sh(f"parted -s {device} mklabel gpt mkpart one ext4 1MiB 50% mkpart two ext4 50% 100%")
    show("parted")
    sh(f"wipefs -qa {device} && blockdev --rereadpt {device}")
    show("wipefs")
    sh(f"blkdiscard {device} && blkdiscard --zeroout {device}")
    see("blocks", os.stat(COPY).st_blocks)
    detach(device)


# mount


def mount_loop():
    """mount -o loop takes a device of its own, which goes with umount."""
    with mounted(f"mount -o loop {PLAIN} {MOUNT}"):
        see("word", read(f"{MOUNT}/etc/word"))
        write(f"{MOUNT}/written", "this")
        see("findmnt", sh(f"findmnt --json {MOUNT}"))
        see("losetup", sh("losetup --list --json"))
        settle()
    all_free()
    # The same file, and by its type alone.
    with mounted(f"mount {PLAIN} {MOUNT}"):
        see("again", read(f"{MOUNT}/written"))
        os.unlink(f"{MOUNT}/written")
    all_free()


def mount_ro():
    """mount -o loop,ro, and images that may not be written to."""
    with mounted(f"mount -o loop,ro {PLAIN} {MOUNT}"):
        see("losetup", sh("losetup -lnO RO,AUTOCLEAR,BACK-FILE"))
        see("error", error_of(open, f"{MOUNT}/new", "w"))
        see("remount", sh(f"mount -o remount,rw {MOUNT} 2>&1 || echo refused"))
    all_free()
    # A file that may not be written to is mounted read-only, or not at all.
    with mounted(f"mount --bind -o ro {HOLD} {MOUNT}2 -o X-mount.mkdir", f"{MOUNT}2"):
        with mounted(f"mount -o loop {MOUNT}2/plain.img {MOUNT}"):
            see("read-only", sh(f"findmnt -no OPTIONS {MOUNT}"))
            see("losetup", sh("losetup -lnO RO,AUTOCLEAR,BACK-FILE"))
        all_free()
    sh(f"chattr +i {PLAIN}")
    try:
        see("immutable", sh(f"mount -o loop {PLAIN} {MOUNT}", status=32))
    finally:
        sh(f"chattr -i {PLAIN}")


def mount_offset():
    """A partition mounted by its place in the disk."""
    part = json.loads(sh(f"sfdisk --json {DISK}"))["partitiontable"]["partitions"][1]
    where = f"offset={part['start'] * 512},sizelimit={part['size'] * 512}"
    with mounted(f"mount -o loop,{where} {DISK} {MOUNT}"):
        see("word", read(f"{MOUNT}/word"))
        see("losetup", sh("losetup -lnO OFFSET,SIZELIMIT,AUTOCLEAR,BACK-FILE"))
    all_free()


def mount_twice():
    """The same file at two places is one device; it goes with the last."""
    with mounted(f"mount -o loop {PLAIN} {MOUNT}"):
        with mounted(f"mount -o loop {PLAIN} {MOUNT}2 -o X-mount.mkdir", f"{MOUNT}2"):
            see("devices", sh("losetup -lnO NAME,BACK-FILE"))
        see("devices", sh("losetup -lnO NAME,BACK-FILE"))
    all_free()


def umount_detach_later():
    """A device detached while it is mounted goes with umount, and so it says."""
    device = attach(PLAIN)
    with mounted(f"mount {device} {MOUNT}"):
        sh(f"losetup --detach {device}")
        see("word", read(f"{MOUNT}/etc/word"))
        see("devices", sh("losetup -lnO NAME,AUTOCLEAR,BACK-FILE"))
    all_free()


def deleted_file():
    """A backing file that is no more."""
    shutil.copy(PLAIN, COPY)
    device = attach(COPY)
    os.unlink(COPY)
    see("losetup", sh("losetup -lnO NAME,BACK-FILE"))
    with mounted(f"mount {device} {MOUNT}"):
        see("word", read(f"{MOUNT}/etc/word"))
    detach(device)


# What systemd and udisks do


def configure():
    """LOOP_CONFIGURE as systemd and mkosi call it: locked, scanned, gone with the last close."""
    for block_size, flags in (
        (512, LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN | LO_FLAGS_DIRECT_IO),
        (4096, LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN),
        (0, LO_FLAGS_PARTSCAN),
    ):
        with open(CONTROL) as control:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        image = os.open(DISK, os.O_RDWR)
        device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_EXCL)
        fcntl.flock(device, fcntl.LOCK_EX)
        info = LOOP_INFO64.pack(*[0] * 8, flags, b"", b"", b"", 0, 0)
        fcntl.ioctl(device, LOOP_CONFIGURE, LOOP_CONFIG.pack(image, block_size, info))
        os.close(image)
        # The partitions are there when the call returns, whatever udev does.
        top = f"/sys/block/loop{number}"
        see("partitions", sorted(name for name in os.listdir(top) if name.startswith("loop") and name != "loop"))
        status = bytearray(LOOP_INFO64.size)
        fcntl.ioctl(device, LOOP_GET_STATUS64, status)
        fields = list(LOOP_INFO64.unpack(status))
        see("device of the file", fields[0] == os.stat(DISK).st_dev)
        see("status", fields[1:])
        see("loop", sh(f"grep -r --exclude='pinned*' . {top}/loop"))
        see("sector", read(f"{top}/queue/logical_block_size"))
        fcntl.flock(device, fcntl.LOCK_UN)
        settle()
        see("nodes", [node for node in nodes() if node.startswith(f"/dev/loop{number}p")])
        if not flags & LO_FLAGS_AUTOCLEAR:
            fcntl.ioctl(device, LOOP_CLR_FD)
        os.close(device)
        all_free()


def udisks():
    """udisksd finds, mounts and deletes what it has set up, also as others set it up."""
    see("setup", sh(f"udisksctl loop-setup --no-user-interaction --file {DISK}"))
    settle()
    device = "/dev/" + bound()[0]
    chance = r"(?m)^.*(DeviceNumber|PreferredDevice|by-diskseq).*\n"
    poll(lambda: "Filesystem" in sh(f"udisksctl info -b {device}p1"), "udisksd knows no file system on p1")
    for node in (device, f"{device}p1"):
        info = re.sub(chance, "", sh(f"udisksctl info -b {node}") + "\n")
        # udisksd lists partitions in the order in which udev's workers were done with them.
        see(node, sorted(line.replace("Partitions:", "").strip() for line in info.splitlines()))
    see("mount", sh(f"udisksctl mount --no-user-interaction -b {device}p2"))
    where = sh(f"findmnt -no TARGET {device}p2")
    see("word", read(f"{where}/word"))
    see("unmount", sh(f"udisksctl unmount --no-user-interaction -b {device}p2"))
    see("delete", sh(f"udisksctl loop-delete --no-user-interaction -b {device}"))
    all_free()
    see("setup", sh(f"udisksctl loop-setup --no-user-interaction -r -s {32 * MIB} -o {MIB} -f {DISK}"))
    see("losetup", sh("losetup -lnO OFFSET,SIZELIMIT,RO,AUTOCLEAR,PARTSCAN,BACK-FILE"))
    see("delete", sh(f"udisksctl loop-delete --no-user-interaction -b /dev/{bound()[0]}"))
    all_free()


def dissect():
    """systemd-dissect looks into an image, attaches it, mounts it."""
    see("show", sh(f"systemd-dissect --no-pager --no-legend {DISK}"))
    all_free()
    see("json", sh(f"systemd-dissect --json=short {DISK}"))
    all_free()
    see("list", sh(f"systemd-dissect --list {DISK}"))
    all_free()
    see("copy", sh(f"systemd-dissect --copy-from {DISK} /etc/word -"))
    all_free()
    sh(f"systemd-dissect --mount {DISK} {MOUNT}")
    see("word", read(f"{MOUNT}/etc/word"))
    see("home", os.listdir(f"{MOUNT}/home") if os.path.isdir(f"{MOUNT}/home") else "none")
    see("losetup", sh("losetup -lnO NAME,AUTOCLEAR,PARTSCAN,RO,DIO,BACK-FILE"))
    sh(f"systemd-dissect --umount {MOUNT}")
    all_free()
    device = sh(f"systemd-dissect --attach --loop-ref=mine {DISK}")
    settle()
    see("attach", sh("losetup -lnO NAME,AUTOCLEAR,PARTSCAN,RO,DIO,REF,BACK-FILE"))
    see("nodes", [node for node in nodes() if node.startswith(f"{device}p") or "by-loop-ref" in node])
    sh(f"systemd-dissect --detach {device}")
    all_free()


def service_images():
    """RootImage= and MountImages= of services."""
    run = "systemd-run --quiet --wait --pipe --collect"
    for image in (DISK, PLAIN):
        see("root", sh(f"{run} -p RootImage={image} -p MountAPIVFS=yes /usr/bin/cat /etc/word"))
        all_free()
    see("mount", sh(f"{run} -p MountImages={PLAIN}:/mnt /usr/bin/cat /mnt/etc/word"))
    all_free()


def container():
    """systemd-nspawn starts from a disk image."""
    run = "systemd-nspawn --quiet --register=no --keep-unit --pipe --timezone=off"
    see("word", sh(f"{run} --image={DISK} --read-only /usr/bin/cat /etc/word"))
    all_free()


def snaps():
    """Squashfs images mounted by units, all at once; nothing stays when they stop."""
    start = "snap number @@"
    os.makedirs("/run/snap")
    write("/run/snap/number", start)
    template = "/run/snap.squashfs"
    sh(f"mksquashfs /run/snap {template} -quiet -no-progress -noI -noD -noF -noX -all-root")
    with open(template, "rb") as file:
        squashfs = file.read()
    want(squashfs.count(start.encode()) == 1, "the template does not hold its mark")
    units = []
    for number in range(SNAPS):
        image, unit = f"{HOLD}/{number:02}.snap", f"run-snaps-{number:02}.mount"
        with open(image, "wb") as file:
            file.write(squashfs.replace(b"@@", b"%02d" % number))
        write(
            f"/run/systemd/system/{unit}",
            f"[Unit]\nDescription=Snap {number}\n[Mount]\nWhat={image}\nWhere=/run/snaps/{number:02}\n"
            "Type=squashfs\nOptions=loop,nodev,ro\n",
        )
        units.append(unit)
    sh("systemctl daemon-reload")
    sh(f"systemctl start {' '.join(units)}")
    for number in range(SNAPS):
        word = read(f"/run/snaps/{number:02}/number")
        want(word == f"snap number {number:02}", f"snap {number} holds {word}")
    settle()
    see("devices", len(devices()))
    for row in json.loads(sh("losetup --list --json"))["loopdevices"]:
        backing = row.pop("back-file")
        want(re.fullmatch(rf"{HOLD}/\d\d.snap", backing), f"a device of {backing}")
        del row["name"]
        see("row", json.dumps(row))
    sh(f"systemctl stop {' '.join(units)}")
    all_free()
    sh(f"rm {HOLD}/*.snap /run/systemd/system/run-snaps-*.mount && systemctl daemon-reload")
    want("/run/snaps" not in read("/proc/self/mounts"), "not all are unmounted")


# The rest


def detach_all():
    """losetup -D; what is mounted goes later."""
    for _ in range(5):
        sh(f"losetup --find {DISK}")
    with mounted(f"mount -o loop {PLAIN} {MOUNT}"):
        settle()
        sh("losetup --detach-all")
        settle()
        see("left", sh("losetup -lnO AUTOCLEAR,BACK-FILE"))
    all_free()


def swap():
    """A swap file by way of a loop device, with pages in it."""
    sh(f"truncate -s 0 {COPY} && fallocate -l 64M {COPY}")
    device = attach(COPY)
    sh(f"mkswap -q {device} && swapon {device}")
    see("swaps", sh("swapon --show=NAME,TYPE,SIZE,PRIO --noheadings"))
    see("detach", sh(f"losetup -d {device} 2>&1; losetup -lnO AUTOCLEAR,BACK-FILE"))
    memory = bytearray(os.urandom(1 << 12) * (16 * MIB >> 12))
    before = bytes(memory[:4096])
    group = "/sys/fs/cgroup" + read("/proc/self/cgroup").split("::")[1]
    error_of(write, f"{group}/memory.reclaim", "24M swappiness=max")
    used = int(sh("swapon --bytes --show=USED --noheadings"))
    want(used > MIB, f"only {used} bytes were swapped out")
    want(all(memory[at : at + 4096] == before for at in range(0, len(memory), 4096)), "memory was damaged")
    sh(f"swapoff {device}")
    all_free()


def crypt():
    """cryptsetup on a device, and on a file, for which it takes a device by it"""
    sh(f"truncate -s 0 {COPY} && truncate -s 48M {COPY}")
    write("/run/key", "key")
    options = "--batch-mode --key-file /run/key"
    device = attach(COPY)
    sh(f"cryptsetup luksFormat {options} --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --uuid {UUID.format(7)} {device}")
    sh(f"cryptsetup open {options} {device} secret")
    sh("mkfs.ext4 -q /dev/mapper/secret")
    with mounted(f"mount /dev/mapper/secret {MOUNT}"):
        write(f"{MOUNT}/word", WORD)
        settle()
        see("lsblk", sh(f"lsblk -o NAME,TYPE,SIZE,MOUNTPOINT {device}"))
    settle()
    sh("cryptsetup close secret")
    detach(device)
    sh(f"cryptsetup open {options} {COPY} secret")
    see("losetup", sh("losetup -lnO AUTOCLEAR,BACK-FILE"))
    with mounted(f"mount /dev/mapper/secret {MOUNT}"):
        see("word", read(f"{MOUNT}/word"))
    settle()
    sh("cryptsetup close secret")
    all_free()


def device_mapper():
    """A device of two loop devices."""
    table, at = [], 0
    pair = [attach(PLAIN, "--read-only"), attach(DISK, "--read-only")]
    for device in pair:
        size = int(sh(f"blockdev --getsz {device}"))
        table.append(f"{at} {size} linear {device} 0")
        at += size
    sh("printf '{}\\n' | dmsetup create --readonly pair".format("\\n".join(table)))
    settle()
    see("size", sh("blockdev --getsize64 /dev/mapper/pair"))
    see("detach", sh(f"losetup -d {pair[0]}; losetup -lnO AUTOCLEAR,BACK-FILE {pair[0]}"))
    sh(f"cat {PLAIN} {DISK} | cmp - /dev/mapper/pair")
    sh("dmsetup remove pair")
    poll(lambda: len(bound()) == 1, f"{bound()} are bound")
    detach(pair[1])


def storm():
    """Attach and detach, udev always behind; no node and no link is stale."""
    before = nodes()
    for number in range(STORM):
        device = sh(f"losetup --find --show --partscan {DISK}")
        if number % 5 == 0:
            settle()
            for part in ("p1", "p2"):
                want(os.path.exists(device + part), f"round {number}: no {device}{part}")
        sh(f"losetup --detach {device}")
    all_free()
    sh("udevadm control --ping && udevadm settle")
    want(nodes() == before, f"left: {set(nodes()) ^ set(before)}")
    stale = [name for name in os.listdir("/sys/class/block") if re.match(r"loop\d+p", name)]
    want(not stale, f"stale partitions: {stale}")
    see("nodes", before)


def back_to_c():
    """With updates/loop.ko gone modprobe takes the kernel's own."""
    tree = f"/lib/modules/{os.uname().release}"
    sh(f"rm -f {tree}/updates/loop.ko* && depmod")
    load()
    want("O" not in read("/sys/module/loop/taint"), "that is not the kernel's own")
    see("module", sh("modinfo -F filename loop"))
    unload()


# These find the module not loaded, and leave it so.
UNLOADED = (installed, autoload_control, autoload_device, mount_loads, options)
LOADED = (
    default_parameters, losetup_list, losetup_changes, lsblk, partitions, media_changes, repartition,
    mount_loop, mount_ro, mount_offset, mount_twice, umount_detach_later, deleted_file,
    configure, udisks, dissect, service_images, container, snaps,
    detach_all, swap, crypt, device_mapper, storm, nothing_left,
)  # fmt: skip
CHECKS = UNLOADED + LOADED + (back_to_c,)


def main():
    chosen = checks.chosen(CHECKS)
    prepare()
    for check in chosen:
        if check in LOADED:
            sh("modprobe loop")
        checks.run(check, nothing_bound, tidy)


main()
