# SPDX-License-Identifier: GPL-2.0
"""What the checks of loop devices on a whole system share (dropin.py, neighbours.py).

What a check saw goes before its result, as lines "see NAME: TEXT": the lab
compares those of one driver with those of the other, so numbers that chance
decides are left out of them.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import checks
from checks import sh, want

# Which modprobe has to take.
DRIVER = sys.argv[1]
MIB = 1 << 20
HOLD = "/srv/images"
PLAIN, DISK, COPY = f"{HOLD}/plain.img", f"{HOLD}/disk.img", f"{HOLD}/copy.img"
MOUNT = "/run/check"
# A root file system with cat and cp.
TREE = "/run/tree"
CONTROL = "/dev/loop-control"
PATIENCE = 120
WORD = "a file in an image"

# Partition types of the Discoverable Partitions Specification.
ROOT_X86_64 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
HOME = "933ac7e1-2eb4-4f13-b844-0e14e2aef915"
UUID = "6c6f6f70-0000-4000-8000-00000000000{}"


def poll(condition, complaint):
    """Wait for what comes by itself soon."""
    end = time.monotonic() + PATIENCE
    while not condition():
        want(time.monotonic() < end, complaint)
        time.sleep(0.05)


def read(path):
    with open(path, errors="replace") as file:
        return file.read().strip()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def settle():
    sh("udevadm settle --timeout=120")


def devices():
    """All loop devices, in the order of their numbers."""
    names = [name for name in os.listdir("/sys/block") if name.startswith("loop")]
    return sorted(names, key=lambda name: int(name[4:]))


def bound():
    return [name for name in devices() if os.path.exists(f"/sys/block/{name}/loop")]


def nodes():
    """Device nodes and links in /dev that have to do with loop devices."""
    found = [f"/dev/{name}" for name in os.listdir("/dev") if re.match(r"loop\d", name)]
    for base, _, names in os.walk("/dev/disk"):
        for name in names:
            link = os.path.join(base, name)
            disk = re.search(r"loop\d+", os.readlink(link))
            if disk and base == "/dev/disk/by-diskseq":
                # The kernel sends the last event of a disk that loses its medium
                # before it counts on, so only the link of one that has one is right.
                if disk[0] not in bound():
                    continue
                sequence = read(f"/sys/block/{disk[0]}/diskseq")
                name = re.sub(rf"^{sequence}(?!\d)", f"({disk[0]})", name)
            if disk:
                found.append(os.path.join(base, name))
    return sorted(found)


def load():
    sh("modprobe loop")
    settle()


def unload():
    settle()
    sh("modprobe -r loop")
    settle()


def attach(image, options=""):
    device = sh(f"losetup --find --show {options} {image}")
    settle()
    return device


def detach(device):
    settle()
    sh(f"losetup --detach {device}")
    poll(lambda: os.path.basename(device) not in bound(), f"{device} stays bound")
    settle()


def all_free():
    poll(lambda: not bound(), f"{bound()} stay bound")
    settle()


@contextlib.contextmanager
def mounted(command, where=MOUNT):
    sh(command)
    try:
        yield
    finally:
        sh(f"umount {where}")


def see(what, text=""):
    """Report what the driver must have in common with the other one."""
    text = str(text)
    for image in (PLAIN, DISK, COPY):
        if os.path.exists(image):
            # An inode's number is the filesystem's choice, NVMe disks are
            # numbered as they are found, and partitions when others are gone.
            text = re.sub(rf"\b{os.stat(image).st_ino}\b", f"(inode of {image})", text)
            text = re.sub(rf"\b{os.stat(image).st_dev}\b", "(scratch disk)", text)
    text = re.sub(r"\b259:\d+", "259:…", text)
    for line in text.split("\n"):
        print(f"see {checks.running}: {what}: {line}", flush=True)


def prepare():
    """Images on a filesystem of their own."""
    os.makedirs(HOLD)
    os.makedirs(MOUNT)
    scratch = os.environ["LOOP_SCRATCH_DEV"]
    sh(f"mkfs.ext4 -qF {scratch} && mount {scratch} {HOLD}")
    for name in ("etc", "home", "usr/lib", "usr/bin", "dev", "proc", "sys", "run", "tmp", "var", "root"):
        os.makedirs(f"{TREE}/{name}")
    for name in ("bin", "lib"):
        os.symlink(f"usr/{name}", f"{TREE}/{name}")
    os.symlink("usr/lib64", f"{TREE}/lib64")
    write(f"{TREE}/etc/word", WORD)
    write(f"{TREE}/usr/lib/os-release", 'ID=image\nVERSION_ID=1\nPRETTY_NAME="An Image"\n')
    write(f"{TREE}/etc/machine-id", "")
    write(f"{TREE}/etc/resolv.conf", "")
    os.symlink("../usr/lib/os-release", f"{TREE}/etc/os-release")
    for program in ("cat", "cp"):
        for path in {f"/usr/bin/{program}", *re.findall(r"/\S+", sh(f"ldd /usr/bin/{program}"))}:
            path = path if path.startswith("/usr") else "/usr" + path
            os.makedirs(os.path.dirname(TREE + path), exist_ok=True)
            shutil.copy(path, TREE + path)
    ext4 = f"mke2fs -qF -t ext4 -b 4096 -E hash_seed={UUID.format(9)},nodiscard"
    sh(f"{ext4} -U {UUID.format(1)} -L plain -d {TREE} {PLAIN} 24M")
    sh(f"truncate -s 64M {DISK}")
    table = (
        f"label: gpt\nlabel-id: {UUID.format(2)}\n"
        f"start=2048, size=32M, type={ROOT_X86_64}, uuid={UUID.format(3)}, name=root\n"
        f"size=+, type={HOME}, uuid={UUID.format(4)}, name=home\n"
    )
    sh(f"printf '{table}' | sfdisk -q {DISK}")
    parts = json.loads(sh(f"sfdisk --json {DISK}"))["partitiontable"]["partitions"]
    for number, (part, content) in enumerate(zip(parts, (TREE, f"{TREE}/etc"))):
        sh(
            f"{ext4},offset={part['start'] * 512} -U {UUID.format(5 + number)} -L {part['name']} "
            f"-d {content} {DISK} {part['size'] // 2}k"
        )


def nothing_left():
    """Nothing is bound or mounted, no unit has failed, the module goes."""
    want("/dev/loop" not in read("/proc/self/mounts"), "mounts are left")
    see("failed units", sh("systemctl --failed --plain --no-legend"))
    sh(f"umount {HOLD}")
    unload()
    want(not devices() and not os.path.exists("/sys/module/loop"), "the driver is still there")
    see("nodes", nodes())
    see("control", os.path.exists(CONTROL))


def tidy():
    """Take away what a check has left; returns it in words."""
    mounts = [line.split()[1] for line in read("/proc/self/mounts").split("\n") if line.startswith("/dev/loop")]
    left = mounts + bound()
    for where in reversed(mounts):
        subprocess.run(["umount", "--lazy", where])
    subprocess.run("swapoff -a; dmsetup remove_all; losetup -D; udevadm settle", shell=True)
    return " ".join(left)


def nothing_bound():
    want(not bound(), f"{bound()} are left")
