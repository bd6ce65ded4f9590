#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Programs that people run beside loop devices, tried in the guest by `make test-dropin`.

    neighbours.py --list          names of the checks (see checks.py)
    neighbours.py c|ours NAME…    run some; says which driver modprobe has to take

A check reads back what it has written, and where that is possible from the
file, without a loop device.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess

import checks
import loops
from checks import sh, want
from loops import (
    DISK, DRIVER, HOLD, MIB, MOUNT, PLAIN, TREE, UUID, all_free, attach, bound, detach, load, mounted,
    nothing_bound, nothing_left, poll, prepare, read, see, settle, write,
)  # fmt: skip

EXT4 = "mkfs.ext4 -q -b 4096"
# Of one check, which finds it empty.
WORK = "/run/work"


def content(seed, size=MIB):
    return random.Random(seed).randbytes(size)


def put(path, seed, size=MIB):
    """Write what `holds` looks for."""
    with open(path, "wb") as file:
        file.write(content(seed, size))


def holds(path, seed, size=MIB):
    with open(path, "rb") as file:
        want(file.read() == content(seed, size), f"{path} does not hold what was written")


def image_holds(image, path, seed, offset=0):
    """Look into an image with an ext4 file system, which nothing is attached to; it has to be clean."""
    sh(f"e2fsck -fn '{image}?offset={offset}'")
    sh(f"debugfs -R 'dump {path} {WORK}/dumped' '{image}?offset={offset}'")
    holds(f"{WORK}/dumped", seed)


def needs(*modules):
    for module in modules:
        if subprocess.run(["modprobe", "--quiet", module]).returncode:
            raise checks.Skip(f"the kernel has no {module}")


@contextlib.contextmanager
def during(begin, end):
    """Between two commands; the other one is run whatever happens."""
    sh(begin)
    try:
        settle()
        yield
    except BaseException:
        subprocess.run(end, shell=True, capture_output=True)
        raise
    settle()
    sh(end)


@contextlib.contextmanager
def files(*sizes):
    """Empty files, removed later."""
    paths = [f"{HOLD}/file{number}.img" for number, _ in enumerate(sizes)]
    for path, size in zip(paths, sizes):
        sh(f"truncate -s {size} {path}")
    try:
        yield paths
    finally:
        for path in paths:
            os.unlink(path)


@contextlib.contextmanager
def attached(*images, options=""):
    devices = [attach(image, options) for image in images]
    yield devices
    for device in devices:
        detach(device)


def parts(image):
    """Where the partitions of an image begin, in bytes."""
    table = json.loads(sh(f"sfdisk --json {image}"))["partitiontable"]
    return [part["start"] * 512 for part in table["partitions"]]


def sequences():
    """Changes whenever a file is attached somewhere."""
    return sh("cat /sys/block/loop*/diskseq")


def partition(path, **options):
    """A definition for systemd-repart."""
    write(path, "[Partition]\nFormat=ext4\n" + "".join(f"{name}={value}\n" for name, value in options.items()))


# mount, and what builds images


def mount_options():
    """loop=, offset= and sizelimit= in fstab, what overlaps that, X-mount options, umount -d."""
    first, second = parts(DISK)
    write("/etc/fstab", f"{DISK} {MOUNT} ext4 ro,noauto,loop=/dev/loop5,offset={first},sizelimit={32 * MIB} 0 0\n")
    with mounted(f"mount {MOUNT}"):
        see("word", read(f"{MOUNT}/etc/word"))
        see("overlap", sh(f"mount -o loop,ro,offset={first + 4096} {DISK} {MOUNT} 2>&1", status=32))
        with mounted(f"mount -o loop,ro,offset={second} {DISK} {MOUNT}"):
            see("losetup", sh("losetup -lnO NAME,OFFSET,SIZELIMIT,RO,AUTOCLEAR,BACK-FILE"))
            see("beside", read(f"{MOUNT}/word"))
    write("/etc/fstab", "")
    all_free()
    with mounted(f"mount -o loop,ro,X-mount.subdir=etc,X-mount.mkdir {PLAIN} {WORK}/one", f"{WORK}/one"):
        see("subdir", read(f"{WORK}/one/word"))
    all_free()
    sh(f"mount -o ro {attach(PLAIN)} {MOUNT} && umount -d {MOUNT}")
    all_free()


def build_image():
    """A disk as scripts and debos make it: a table, nodes of partitions, file systems, files."""
    with files("96M") as (image,):
        sh(f"printf 'label: gpt\\nsize=40M, type=uefi\\ntype=linux\\n' | sfdisk -q {image}")
        with attached(image, options="--partscan") as (device,):
            sh(f"mkfs.vfat -F 32 -n BOOT {device}p1 && {EXT4} {device}p2")
            with mounted(f"mount {device}p2 {MOUNT}"):
                sh(f"cp -a {TREE}/. {MOUNT}")
                with mounted(f"mount -o X-mount.mkdir {device}p1 {MOUNT}/boot", f"{MOUNT}/boot"):
                    put(f"{MOUNT}/boot/kernel", 1)
                put(f"{MOUNT}/etc/data", 2)
                sh(f"fstrim {MOUNT}")
            see("lsblk", sh(f"lsblk -x NAME -no NAME,SIZE,FSTYPE,LABEL {device}"))
        boot, root = parts(image)
        sh(f"mcopy -on -i {image}@@{boot} ::kernel {WORK}/kernel")
        holds(f"{WORK}/kernel", 1)
        image_holds(image, "/etc/data", 2, root)
        want(os.stat(image).st_blocks * 512 < 48 * MIB, "the image is not sparse")


def mkosi():
    """mkosi makes a disk of a tree; for that systemd-repart attaches devices, and takes them away."""
    made = f"{WORK}/made/made.raw"
    put(f"{TREE}/etc/data", 3)
    os.mkdir(f"{WORK}/repart")
    partition(f"{WORK}/repart/root.conf", Type="root", CopyFiles="/:/", SizeMinBytes="48M", SizeMaxBytes="48M")
    before = sequences()
    sh(
        f"cd {WORK} && mkosi --distribution=custom --base-tree={TREE} --bootable=no --format=disk --repart-offline=no "
        f"--repart-directory={WORK}/repart --output=made --output-directory={WORK}/made build"
    )
    os.unlink(f"{TREE}/etc/data")
    want(sequences() != before, "mkosi attached nothing")
    see("word", sh(f"systemd-dissect --copy-from {made} /etc/word -"))
    all_free()
    image_holds(made, "/etc/data", 3, parts(made)[0])


def repart():
    """systemd-repart makes a partition on a device, and another one when that has grown."""
    definitions = f"{WORK}/repart"
    os.mkdir(definitions)
    put(f"{TREE}/etc/data", 4)
    command = f"systemd-repart --dry-run=no --offline=no --definitions={definitions} --seed={UUID.format(1)}"

    def apply(empty):
        sh(f"{command} --empty={empty} {device}")
        settle()
        see(empty, sh(f"lsblk -x NAME -bnro NAME,SIZE,START,FSTYPE,PARTLABEL,PARTUUID {device}"))

    with files("40M") as (image,):
        with attached(image, options="--partscan") as (device,):
            partition(f"{definitions}/1.conf", Type="root", CopyFiles=f"{TREE}:/", SizeMinBytes="32M", SizeMaxBytes="32M")
            apply("force")
            sh(f"truncate -s 80M {image} && losetup --set-capacity {device}")
            partition(f"{definitions}/2.conf", Type="home", SizeMinBytes="16M")
            apply("refuse")
            with mounted(f"mount {device}p1 {MOUNT}"):
                sh(f"diff -r --no-dereference {TREE} {MOUNT} --exclude=lost+found")
        image_holds(image, "/etc/data", 4, parts(image)[0])
        sh(f"e2fsck -fn '{image}?offset={parts(image)[1]}'")
    os.unlink(f"{TREE}/etc/data")


def podman():
    """A container with its storage on one device, and with a volume that podman mounts from a file."""
    run = "podman run --rm --network=none --volume=volume:/mnt it"
    with files("64M", "192M") as (volume, storage), attached(storage) as (device,):
        sh(f"{EXT4} {volume} && {EXT4} {device}")
        # Podman mounts a part of it on itself.
        where = "/var/lib/containers"
        with during(f"mount -o X-mount.mkdir {device} {where}", f"umount --recursive {where}"):
            put(f"{TREE}/etc/data", 5)
            sh(f"tar -C {TREE} -c . | podman import - it")
            os.unlink(f"{TREE}/etc/data")
            sh(f"podman volume create --opt type=ext4 --opt o=loop --opt device={volume} volume")
            sh(f"{run} /usr/bin/cp /etc/data /mnt/data")
            poll(lambda: len(bound()) == 1, "the volume stays mounted")
            see("word", sh(f"{run} /usr/bin/cat /etc/word"))
            sh(f"{run} /usr/bin/cp /mnt/data /mnt/copy")
            sh("podman volume rm volume && podman rmi it")
        image_holds(volume, "/copy", 5)
        sh(f"e2fsck -fn {device}")


# What stacks on devices


def raid():
    """A RAID 1 loses a device, gets it back, and both have all."""
    needs("raid1")
    array = "/dev/md/pair"
    with files("40M", "40M") as pair, attached(*pair) as (one, two):
        remove = ["mdadm", array, "--remove", two]
        create = f"mdadm --create {array} --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal {one} {two}"
        with during(create, f"mdadm --stop {array}"):
            sh(f"{EXT4} {array}")
            with mounted(f"mount {array} {MOUNT}"):
                put(f"{MOUNT}/first", 1)
                sh(f"sync && mdadm {array} --fail {two}")
                poll(lambda: not subprocess.run(remove, capture_output=True).returncode, "it is not removed")
                put(f"{MOUNT}/second", 2)
                sh(f"sync && mdadm {array} --re-add {two} && mdadm --wait {array} || [ $? = 1 ]")
            see("state", sh(f"mdadm --detail {array} | grep -E 'Active|Failed|active sync'"))
            md = os.path.basename(os.path.realpath(array))
            write(f"/sys/block/{md}/md/sync_action", "check")
            sh(f"mdadm --wait {array} || [ $? = 1 ]")
            see("mismatches", read(f"/sys/block/{md}/md/mismatch_cnt"))
        # The one that was away has to do for itself.
        with during(f"mdadm --assemble --run {array} {two}", f"mdadm --stop {array}"):
            with mounted(f"mount -o ro {array} {MOUNT}"):
                holds(f"{MOUNT}/first", 1)
                holds(f"{MOUNT}/second", 2)
        sh(f"mdadm --zero-superblock {one} {two}")


def lvm():
    """A logical volume grows to another device, moves there, has a snapshot, goes back to it."""
    needs("dm-mod", "dm-mirror", "dm-snapshot")
    volume, data = "/dev/pool/volume", f"{MOUNT}/data"
    with files("48M", "96M") as pair, attached(*pair) as (one, two):
        with during(f"pvcreate {one} {two} && vgcreate pool {one}", f"vgremove -f pool && pvremove {one} {two}"):
            sh(f"lvcreate -y -L 32M -n volume pool && {EXT4} {volume}")
            with mounted(f"mount {volume} {MOUNT}"):
                put(data, 1)
                sh(f"vgextend pool {two} && lvextend --resizefs -L 48M {volume}")
                sh(f"pvmove --interval 1 {one} {two}")
                see("where", sh("lvs --noheadings --segments -o lv_name,seg_size,devices pool"))
                sh("lvcreate -y -s -L 16M -n before pool/volume")
                put(data, 2)
                sh("sync")
                with mounted(f"mount -o ro,X-mount.mkdir /dev/pool/before {MOUNT}2", f"{MOUNT}2"):
                    holds(f"{MOUNT}2/data", 1)
                    holds(data, 2)
                see("size", sh(f"df --output=size {MOUNT}"))
            sh("lvconvert --merge --interval 1 pool/before")
            with mounted(f"mount {volume} {MOUNT}"):
                holds(data, 1)
            sh(f"e2fsck -fn {volume}")


def kpartx():
    """Devices of device mapper for the partitions of a file."""
    needs("dm-mod")
    with during(f"kpartx -asr {DISK}", f"kpartx -ds {DISK}"):
        see("list", sh(f"kpartx -l {DISK}"))
        see("losetup", sh("losetup -lnO NAME,RO,PARTSCAN,BACK-FILE"))
        loop = bound()[0]
        for number, offset in enumerate(parts(DISK), 1):
            node = f"/dev/mapper/{loop}p{number}"
            sh(f"cmp --bytes={16 * MIB} {node} {DISK} 0 {offset}")
            with mounted(f"mount -o ro {node} {MOUNT}"):
                see("files", sorted(os.listdir(MOUNT)))
    all_free()


# QEMU's tools


def qemu_nbd():
    """A device on one of nbd, which has a qcow2 image."""
    needs("nbd")
    image, raw = f"{HOLD}/nbd.qcow2", f"{HOLD}/nbd.raw"
    sh(f"qemu-img create -q -f qcow2 {image} 64M")
    with during(f"qemu-nbd --connect=/dev/nbd0 --format=qcow2 {image}", "qemu-nbd --disconnect /dev/nbd0"):
        poll(lambda: read("/sys/block/nbd0/size") != "0", "nbd0 is not connected")
        with attached("/dev/nbd0", options="--direct-io=on") as (device,):
            sh(f"{EXT4} {device}")
            with mounted(f"mount {device} {MOUNT}"):
                put(f"{MOUNT}/data", 1)
                sh(f"fstrim {MOUNT}")
            see("device", sh("losetup -lnO NAME,DIO,BACK-FILE"))
            sh(f"cmp {device} /dev/nbd0")
    poll(lambda: not os.path.exists("/sys/block/nbd0/pid"), "nbd0 stays connected")
    sh(f"qemu-img check -q {image} && qemu-img convert -f qcow2 -O raw {image} {raw}")
    image_holds(raw, "/data", 1)
    os.unlink(image)
    os.unlink(raw)
    sh("modprobe -r nbd")


def qemu_img():
    """qemu-img copies from a device and to one, and qemu-io writes, zeroes and discards, without the page cache."""
    qcow2 = f"{HOLD}/copy.qcow2"
    with files("64M") as (target,):
        with attached(DISK, options="--read-only") as (device,):
            sh(f"qemu-img convert -T none -f raw -O qcow2 {device} {qcow2}")
        with attached(target) as (device,):
            sh(f"qemu-img convert -n -t none -f qcow2 -O raw {qcow2} {device}")
            sh(f"qemu-img compare -f raw {device} {DISK}")
            sh(f"cmp {target} {DISK}")
            want(os.stat(target).st_blocks * 512 < 48 * MIB, "the copy is not sparse")
            for engine in ("native", "io_uring", "threads"):
                commands = "write -P 7 1M 4M", "write -z 2M 1M", "discard 3M 1M", "flush", "read -P 7 1M 1M", "read -P 0 2M 1M"
                sh(f"qemu-io -f raw -n -i {engine} {device} " + " ".join(f"-c '{command}'" for command in commands))
                with open(target, "rb") as file:
                    file.seek(MIB)
                    want(file.read(4 * MIB) == b"\7" * MIB + bytes(2 * MIB) + b"\7" * MIB, f"{engine}: wrong data")
    os.unlink(qcow2)


@contextlib.contextmanager
def storage(device, export):
    """qemu-storage-daemon, which exports a device."""
    pid = f"{WORK}/pid"
    disk = f"driver=host_device,node-name=disk,filename={device},cache.direct=on,aio=native,discard=unmap"
    daemon = f"qemu-storage-daemon --daemonize --pidfile {pid} --blockdev {disk} {export}"
    with during(daemon, f"kill -TERM $(cat {pid})"):
        yield
    poll(lambda: not os.path.exists(pid), "the daemon does not end")


def storage_daemon():
    """A device as a file, by FUSE, which another device is on; then by NBD."""
    needs("fuse")
    socket, export = f"{WORK}/socket", f"{WORK}/export"
    write(export, "")
    with files("64M") as (image,):
        with attached(image) as (device,):
            with storage(device, f"--export fuse,id=fuse,node-name=disk,mountpoint={export},writable=on"):
                with attached(export) as (upper,):
                    sh(f"{EXT4} {upper}")
                    with mounted(f"mount {upper} {MOUNT}"):
                        put(f"{MOUNT}/data", 1)
                        sh(f"sync && fstrim {MOUNT}")
            server = f"--nbd-server addr.type=unix,addr.path={socket} --export nbd,id=nbd,node-name=disk,name=disk"
            with storage(device, server):
                sh(f"qemu-img compare -f raw -F raw 'nbd+unix:///disk?socket={socket}' {image}")
        image_holds(image, "/data", 1)


# File systems


def erofs():
    """An image of erofs on a device, and mounted from the file itself, which needs none."""
    needs("erofs")
    image = f"{HOLD}/image.erofs"
    put(f"{TREE}/etc/data", 1)
    for options in ("", "-zlz4hc -C65536"):
        sh(f"mkfs.erofs --quiet {options} {image} {TREE} && fsck.erofs {image}")
        for what in ("loop", "X-mount.noloop"):
            sh("echo 3 >/proc/sys/vm/drop_caches")
            with mounted(f"mount -t erofs -o {what} {image} {MOUNT}"):
                sh(f"diff -r --no-dereference {TREE} {MOUNT}")
                see(what, sh(f"findmnt -no SOURCE,FSTYPE {MOUNT}"))
                see(what, bound())
            all_free()
        with mounted(f"mount {image} {MOUNT}"):
            want(not bound(), "it took a loop device")
        all_free()
        with mounted(f"mount -t overlay -o X-mount.mkdir,lowerdir={HOLD}:{TREE} none {WORK}/over", f"{WORK}/over"):
            with mounted(f"mount {WORK}/over/image.erofs {MOUNT}"):
                see("on overlayfs", bound())
            all_free()
        os.unlink(image)
    os.unlink(f"{TREE}/etc/data")


def fat():
    """mkfs.fat, mtools and fsck.fat see what the kernel's FAT wrote, and the other way round; an image within it."""
    needs("vfat")
    with files("64M") as (image,):
        with attached(image) as (device,):
            sh(f"mkfs.fat -F 32 -n FAT {device}")
            with mounted(f"mount {device} {MOUNT}"):
                put(f"{MOUNT}/from the kernel", 1)
                sh(f"truncate -s 24M {MOUNT}/inner")
                with attached(f"{MOUNT}/inner") as (inner,):
                    sh(f"{EXT4} {inner}")
                    with mounted(f"mount -o X-mount.mkdir {inner} {MOUNT}2", f"{MOUNT}2"):
                        put(f"{MOUNT}2/data", 2)
                image_holds(f"{MOUNT}/inner", "/data", 2)
            sh(f"mcopy -on -i {device} '::from the kernel' {WORK}/copied")
            holds(f"{WORK}/copied", 1)
        put(f"{WORK}/given", 3)
        sh(f"mcopy -on -i {image} '::from the kernel' {WORK}/copied && mcopy -i {image} {WORK}/given ::")
        holds(f"{WORK}/copied", 1)
        with mounted(f"mount -o loop,ro {image} {MOUNT}"):
            holds(f"{MOUNT}/given", 3)
        all_free()
        sh(f"fsck.fat -n {image}")


# What looks on


def tracing():
    """blktrace, bpftrace and iostat count the requests of a program."""
    with files("32M") as (image,), attached(image) as (device,), contextlib.ExitStack() as stack:
        name = os.path.basename(device)
        program = f"dd if=/dev/zero of={device} oflag=direct bs=64K count=32 status=none"
        # Small buffers, so that something is written before the end.
        command = f"exec blktrace -b 4 -n 64 -d {device} -D {WORK} -o trace"
        tracer = subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL)
        stack.callback(tracer.kill)
        marker = f"dd if={device} iflag=direct of=/dev/null bs=4K count=8 status=none"
        poll(lambda: sh(f"{marker}; find {WORK} -name 'trace.*' -size +0"), "blktrace sees nothing")
        sh(program)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(60)
        found = sh(f"blkparse -q -D {WORK} -i trace -f '%a %d %n\\n'").split("\n")
        for action in "QC":
            written = [line.split()[2] for line in found if re.match(rf"{action} W", line)]
            see(f"blktrace {action}", f"{len(written)} of {set(written)} sectors")
        number = os.stat(device).st_rdev
        dev = os.major(number) << 20 | os.minor(number)
        probe = f"tracepoint:block:block_rq_complete /args.dev == {dev}/ {{ @[args.rwbs] = sum(args.nr_sector); }}"
        # udev reads when a device is closed that was written to.
        see("bpftrace", re.findall(r"@\[W.*", sh(f"bpftrace -q -e '{probe}' -c '{program}'")))

        def statistics():
            disk = json.loads(sh(f"iostat -d -k -o JSON {name}"))["sysstat"]["hosts"][0]["statistics"][0]["disk"][0]
            return disk["kB_wrtn"]

        before = statistics()
        sh(program)
        see("iostat", f"{statistics() - before} kB written")


# The rest


def nothing_stays():
    """Nothing is bound or mounted, no unit has failed, the module goes."""
    nothing_left()


def state():
    """Mounts, block devices and files: what a check must leave as it is."""
    mounts = {line.split()[1] for line in read("/proc/self/mounts").split("\n")}
    # Below there the kernel mounts by itself.
    mounts = {where for where in mounts if not where.startswith("/sys/")}
    disks = {name for name in os.listdir("/sys/block") if not name.startswith("loop")}
    return mounts | disks | set(os.listdir(HOLD))


def tidy():
    """Take away what a check has left; returns it in words."""
    subprocess.run("vgchange -an; mdadm --stop --scan", shell=True, capture_output=True)
    return loops.tidy()


def nothing_changed(before):
    nothing_bound()
    want(state() == before, f"changed: {state() ^ before}")


CHECKS = (
    mount_options, build_image, podman, raid, lvm, kpartx, qemu_nbd, qemu_img, storage_daemon, erofs, fat, tracing,
    # These remove devices that they have used, so others have other names afterwards.
    repart, mkosi, nothing_stays,
)  # fmt: skip


def main():
    chosen = checks.chosen(CHECKS)
    prepare()
    load()
    want(("O" in read("/sys/module/loop/taint")) == (DRIVER == "ours"), "the wrong module was loaded")
    for check in chosen:
        shutil.rmtree(WORK, ignore_errors=True)
        os.makedirs(WORK, exist_ok=True)
        before = state()
        checks.run(check, lambda: check is nothing_stays or nothing_changed(before), tidy)


main()
