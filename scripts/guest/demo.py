#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The main job of a loop driver, done in the guest by `make run`.

A partitioned disk image is attached with stock losetup, its filesystems are
made, filled, checked after attaching it again; fio verifies data through
direct and buffered I/O. One line a step says what was seen and how long it
took; the first step that fails ends the run.
"""

import hashlib
import json
import os
import subprocess
import sys
import time

MIB = 1 << 20
MODULE = sys.argv[1]
SCRATCH = os.environ["LOOP_SCRATCH_DEV"]
HOLD = "/run/hold"
DISK, PLAIN = f"{HOLD}/disk.img", f"{HOLD}/plain.img"
MOUNTS = {"p1": "/run/ext4", "p2": "/run/xfs"}
TREE = os.path.dirname(os.__file__)


class StepFailed(Exception):
    pass


def sh(command, **environment):
    """Run a shell command; returns what it printed, fails with it."""
    done = subprocess.run(
        command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, timeout=300, env=os.environ | environment,
    )  # fmt: skip
    if done.returncode:
        raise StepFailed(f"{command}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout.strip()


def want(condition, complaint):
    if not condition:
        raise StepFailed(complaint)


def rate(size, seconds):
    return f"{size / MIB:.0f} MiB, {size / MIB / seconds:.0f} MiB/s"


def read(path):
    with open(path) as file:
        return file.read().strip()


def digests(top):
    """SHA-256 of each file below a directory, by its path there."""
    found = {}
    for base, _, names in os.walk(top):
        for name in names:
            path = os.path.join(base, name)
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


class Job:
    """The steps, in their order; each returns the words for its line."""

    def load(self):
        sh(f"insmod {MODULE}")
        self.hold()
        nodes = [name for name in os.listdir("/dev") if name.startswith("loop")]
        return f"{len(nodes)} nodes in /dev, {'/dev/loop-control' if 'loop-control' in nodes else 'no control'}"

    def hold(self):
        """A filesystem for the images."""
        os.mkdir(HOLD)
        sh(f"mkfs.ext4 -qF {SCRATCH} && mount {SCRATCH} {HOLD}")
        for directory in MOUNTS.values():
            os.mkdir(directory)

    def image(self):
        sh(f"truncate -s 768M {DISK}")
        sh(f"printf 'label: gpt\nsize=320M\nsize=+\n' | sfdisk -q {DISK}")
        return "768 MiB, GPT with two partitions"

    def attach(self, options=""):
        start = time.monotonic()
        self.device = sh(f"losetup --find --show --partscan {options} {DISK}")
        sh("udevadm settle")
        for part in MOUNTS:
            want(os.path.exists(self.device + part), f"{self.device}{part} did not appear")
        return f"{self.device}, p1 and p2 there after {time.monotonic() - start:.2f} s"

    def filesystems(self):
        sh(f"mkfs.ext4 -q -L demo-ext4 {self.device}p1")
        sh(f"mkfs.xfs -q -L demo-xfs {self.device}p2")
        sh("udevadm settle")
        for label in ("demo-ext4", "demo-xfs"):
            want(os.path.exists(f"/dev/disk/by-label/{label}"), f"no link to {label} from udev")
        return "ext4 on p1, XFS on p2, udev's links by label"

    def mount(self):
        for part, directory in MOUNTS.items():
            sh(f"mount {self.device}{part} {directory}")

    def copy(self):
        self.mount()
        self.digests = digests(TREE)
        size = 2 * int(sh(f"du -sb {TREE}").split()[0])
        start = time.monotonic()
        for directory in MOUNTS.values():
            sh(f"cp -a {TREE} {directory}/tree")
        sh("sync")
        return f"{2 * len(self.digests)} files, {rate(size, time.monotonic() - start)}"

    def detach(self):
        for directory in MOUNTS.values():
            sh(f"umount {directory}")
        sh(f"losetup --detach {self.device}")
        want(not os.path.exists(f"/sys/block/{os.path.basename(self.device)}/loop"), "it is still attached")
        return "unmounted, detached"

    def attach_direct(self):
        return self.attach("--direct-io=on") + ", direct I/O"

    def checksums(self):
        self.mount()
        for directory in MOUNTS.values():
            want(digests(f"{directory}/tree") == self.digests, f"files in {directory} differ")
            sh(f"umount {directory}")
        return f"{2 * len(self.digests)} files are what was copied"

    def fsck(self):
        sh(f"e2fsck -fn {self.device}p1")
        sh(f"xfs_repair -n {self.device}p2")
        return "e2fsck and xfs_repair find nothing"

    def show(self):
        name = os.path.basename(self.device)
        attributes = f"/sys/block/{name}/loop"
        want(read(f"{attributes}/backing_file") == DISK, "sysfs names another file")
        self.listing = sh("losetup --list") + "\n\n"
        for attribute in sorted(os.listdir(attributes)):
            self.listing += f"{attributes}/{attribute}: {read(f'{attributes}/{attribute}')}\n"
        sh(f"losetup --detach {self.device}")
        return "see below"

    def verify(self, direct):
        sh(f"truncate -s 256M {PLAIN}")
        device = sh(f"losetup --find --show --direct-io={'on' if direct else 'off'} {PLAIN}")
        mode = read(f"/sys/block/{os.path.basename(device)}/loop/dio")
        want(mode == str(int(direct)), f"dio is {mode}")
        report = sh(
            f"fio --name=verify --filename={device} --size=64M --rw=randwrite --bsrange=4k-128k --fsync=64"
            f" --ioengine=libaio --iodepth=16 --direct={int(direct)} --verify=crc32c --output-format=json"
        )
        job = json.loads(report[report.index("{") :])["jobs"][0]
        want(job["error"] == 0, f"fio: error {job['error']}\n{report}")
        sh(f"losetup --detach {device}")
        write, back = (job[way]["bw_bytes"] / MIB for way in ("write", "read"))
        return f"64 MiB written at {write:.0f} MiB/s, read back and verified at {back:.0f} MiB/s"

    def verify_direct(self):
        return self.verify(True)

    def verify_buffered(self):
        return self.verify(False)

    def unload(self):
        sh(f"umount {HOLD}")
        sh("rmmod loop")
        want(not os.path.exists("/sys/module/loop"), "the module is still there")
        left = [name for name in os.listdir("/sys/block") if name.startswith("loop")]
        want(not left, f"still there: {left}")
        return "nothing of it left"

    STEPS = (
        ("insmod loop.ko", load),
        ("make a disk image", image),
        ("losetup --find --show --partscan", attach),
        ("make filesystems", filesystems),
        ("mount, copy a tree to both", copy),
        ("umount, losetup --detach", detach),
        ("attach again", attach_direct),
        ("mount, compare checksums", checksums),
        ("fsck", fsck),
        ("losetup --list, sysfs", show),
        ("fio verify, direct", verify_direct),
        ("fio verify, buffered", verify_buffered),
        ("rmmod loop", unload),
    )


def main():
    job = Job()
    print(f"Linux {os.uname().release}, {os.cpu_count()} CPUs\n")
    for name, step in Job.STEPS:
        start = time.monotonic()
        try:
            words = step(job)
        except (StepFailed, OSError, subprocess.TimeoutExpired) as failure:
            print(f"  FAIL  {name}\n{failure}", flush=True)
            return 1
        print(f"  ok  {time.monotonic() - start:5.1f} s  {name:34} {words}", flush=True)
    print(f"\n{job.listing}", flush=True)
    return 0


sys.exit(main())
