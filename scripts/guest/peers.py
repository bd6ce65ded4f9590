#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Suites that others wrote, run in the guest by `make test-peers`.

    peers.py --list SUITE DIRECTORY    names of the tests; DIRECTORY has the suite's files
    peers.py SUITE TEST…               run some; the suite's files lie beside this program

Each line is for scripts/lab/peers.py: "start TEST", "| " and what the test printed,
"result TEST PART OUTCOME WHY" (pass, fail or skip) for each thing that it tested,
"done TEST SECONDS", in the end "leftover: …". Between fields are tabs.
"""

import collections
import glob
import itertools
import os
import re
import shutil
import subprocess
import sys
import time

# The suite's files, and the scratch disk on which they are in the guest.
SOURCE = os.path.dirname(os.path.abspath(__file__))
SCRATCH = "/srv"
PLACE = f"{SCRATCH}/suite"
LOG = "/run/log"
TEST_SECONDS = 900
PATIENCE = 20
TIMED_OUT = (124, 137)
# Images of loop devices, and what is on them.
SIZE = "2G"
IO = ("buffered", "direct")
MKFS = {"ext4": "mkfs.ext4 -qF", "xfs": "mkfs.xfs -qf"}
# The part of a test that has only one.
WHOLE = "-"

Part = collections.namedtuple("Part", "name outcome why", defaults=(WHOLE, "pass", ""))


def sh(command, seconds=TEST_SECONDS, where=PLACE, **environment):
    """Run a shell command, print what it said. Returns its status and that, line by line."""
    with open(LOG, "w+", errors="replace") as log:
        status = subprocess.run(
            ["timeout", "--kill-after=30", str(seconds), "bash", "-c", command], cwd=where, env=os.environ | environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        ).returncode  # fmt: skip
        log.seek(0)
        lines = log.read().splitlines()
    for line in lines:
        print(f"| {line}", flush=True)
    return status, lines


def must(command):
    """Run a command without which the tests cannot begin."""
    status, _ = sh(command, where="/")
    if status:
        sys.exit(f"{command}: exit status {status}")


def verdict(status, lines, skipped=r"(?!)"):
    """The part that a test is, of its status; `skipped` matches a line of one that was not run."""
    if status in TIMED_OUT:
        return Part(outcome="fail", why=f"not done in {TEST_SECONDS} s")
    if status:
        return Part(outcome="fail", why=f"exit status {status}")
    why = next((line.strip() for line in lines if re.search(skipped, line)), None)
    return Part(outcome="skip", why=why) if why is not None else Part()


def listed(directory, pattern, text):
    """The paths below a directory that match a shell pattern and whose file holds a regular expression."""
    for path in sorted(glob.glob(f"{directory}/{pattern}")):
        if os.path.isfile(path) and os.access(path, os.X_OK):
            with open(path, errors="replace") as file:
                if re.search(text, file.read()):
                    yield path.removeprefix(f"{directory}/")


def attach(image, io):
    """A loop device on a new file, with direct I/O or buffered; empty if that failed."""
    status, lines = sh(
        f"rm -f {image} && truncate -s {SIZE} {image} && "
        f"losetup --find --show --direct-io={'on' if io == 'direct' else 'off'} {image}"
    )
    return lines[-1] if not status and lines else ""


class UtilLinux:
    """util-linux: losetup, mount, libmount, swapon, blkid, … on the system's own programs."""

    RESULT = re.compile(r" *[\w.-]+: (.*?) *\.\.\. (OK|SKIPPED|FAILED|KNOWN FAILED)(?: \((.*)\))?$")
    OUTCOMES = {"OK": "pass", "SKIPPED": "skip", "FAILED": "fail", "KNOWN FAILED": "fail"}

    @staticmethod
    def tests(directory):
        uses = r"ts_device_init|CMD_LOSETUP|ts_check_losetup|-o \"?loop"
        return listed(f"{directory}/tests/ts", "*/*", uses)

    @classmethod
    def run(cls, test):
        options = f"--use-system-commands --parsable --show-diff --srcdir={PLACE} --builddir={PLACE}"
        status, lines = sh(f"tests/ts/{test} {options}")
        parts, done = [], False
        for name, word, why in (found.groups() for found in map(cls.RESULT.match, lines) if found):
            _, subtest, name = name.rpartition("] ")
            done = done or not subtest
            parts.append(Part(name if subtest else WHOLE, cls.OUTCOMES[word], why or ""))
        return parts if done and status not in TIMED_OUT else [*parts, verdict(status or 1, lines)]


class Mdadm:
    """mdadm: arrays of loop devices, without what asks for a vendor's firmware."""

    OTHERS = re.compile(r"imsm|ddf|linear|multipath|\.")

    @classmethod
    def tests(cls, directory):
        names = sorted(os.listdir(f"{directory}/tests"))
        return [name for name in names if re.match(r"\d\d", name) and not cls.OTHERS.search(name)]

    @staticmethod
    def run(test):
        command = f"./test --dev=loop --logdir=/run --tests={test}; status=$?; tail -n 40 /var/tmp/log; exit $status"
        return [verdict(*sh(command), r"\.\.\. *\S*skipping")]


class BtrfsProgs:
    """btrfs-progs: file systems on one loop device and on several."""

    GROUPS = ("mkfs", "misc", "cli", "convert")

    @classmethod
    def tests(cls, directory):
        for group in cls.GROUPS:
            for path in listed(f"{directory}/tests/{group}-tests", "*/test.sh", r"mount|loop"):
                yield f"{group}/{os.path.dirname(path)}"

    @staticmethod
    def run(test):
        # The tests want all programs in one directory.
        programs = f"{SCRATCH}/programs"
        os.makedirs(programs, exist_ok=True)
        for path in glob.glob("/usr/*bin/*btrfs*"):
            link = os.path.join(programs, os.path.basename(path))
            if not os.path.lexists(link):
                os.symlink(path, link)
        group, name = test.split("/")
        tests = f"{PLACE}/tests"
        status, lines = sh(
            f"rm -f {tests}/results; ./test.sh; status=$?; cat {tests}/results; exit $status",
            where=f"{tests}/{group}-tests/{name}",
            TOP=programs, INTERNAL_BIN=programs, TEST_TOP=tests, RESULTS=f"{tests}/results", TEST_DEV="", LANG="C",
            IMAGE=f"{tests}/test.img",
        )  # fmt: skip
        return [verdict(status, lines, r"\[(NOTRUN|SKIPPED)\]")]


class Systemd:
    """systemd: threads that attach a disk with partitions, look into it and detach it."""

    PROGRAMS = "/usr/lib/systemd/tests/unit-tests"

    @staticmethod
    def tests(_directory):
        return ["test-loop-block"]

    @classmethod
    def run(cls, test):
        status, lines = sh(f"{cls.PROGRAMS}/{test}")
        return [Part(outcome="skip", why=lines[-1] if lines else "") if status == 77 else verdict(status, lines)]


class StressNg:
    """stress-ng: what it has for file systems, on ext4 and XFS on a loop device, with direct I/O and without."""

    SECONDS = 8
    # How much they write, where the default is 1 GiB.
    SIZES = {
        "copy-file": "--copy-file-bytes 128M", "fallocate": "--fallocate-bytes 128M", "hdd": "--hdd-bytes 64M",
        "iomix": "--iomix-bytes 64M", "readahead": "--readahead-bytes 64M", "revio": "--revio-bytes 64M",
        "seek": "--seek-size 64M", "mmap": "--mmap-file --mmap-bytes 64M",
    }  # fmt: skip
    STRESSORS = (
        "access acl aio aiol chattr chmod copy-file dentry dir dirdeep dirmany fallocate fanotify fcntl fiemap "
        "file-ioctl filename filerace flock fpunch fsize fstat getdent handle hdd inode-flags inotify io io-uring iomix "
        "lease link locka lockf lockofd loop metamix mmap msync open readahead rename revio seek sendfile splice swap "
        "symlink sync-file touch unlink utime verity xattr"
    ).split()
    FSCK = {"ext4": "e2fsck -fn", "xfs": "xfs_repair -n"}

    @classmethod
    def tests(cls, _directory):
        return [f"{fs}-{io}/{name}" for fs in MKFS for io in IO for name in cls.STRESSORS]

    @classmethod
    def run(cls, test):
        setup, stressor = test.split("/")
        fs, io = setup.split("-")
        image, mount = f"{SCRATCH}/image", f"{SCRATCH}/mnt"
        os.makedirs(mount, exist_ok=True)
        device = attach(image, io)
        status, lines = sh(f"{MKFS[fs]} {device} && mount {device} {mount}") if device else (1, [])
        if status:
            return [Part(outcome="fail", why="no file system to test")]
        status, lines = sh(
            f"stress-ng --{stressor} 2 {cls.SIZES.get(stressor, '')} --verify --timeout {cls.SECONDS} --temp-path {mount}"
        )
        # 3 and 4: something it needs is missing.
        part = Part(outcome="skip", why=lines[-1] if lines else "") if status in (3, 4) else verdict(status, lines)
        checked = verdict(*sh(f"umount {mount} && {cls.FSCK[fs]} {device} && losetup --detach {device}"))
        return [part, checked._replace(name="fsck")]


class Xfstests:
    """xfstests: its quick tests of ext4 and XFS on two loop devices, with direct I/O and without."""

    WHY = r"{}|_check_|    [-+](?!--|\+\+)"

    @staticmethod
    def tests(directory):
        for fs, io in itertools.product(MKFS, IO):
            for group in ("generic", fs):
                with open(f"{directory}/tests/{group}/group.list") as file:
                    for name in re.findall(r"^(\d+)\b.* quick\b", file.read(), re.MULTILINE):
                        yield f"{fs}-{io}/{group}/{name}"

    @classmethod
    def run(cls, test):
        setup, name = test.split("/", 1)
        fs, io = setup.split("-")
        places = {"TEST": f"{SCRATCH}/test", "SCRATCH": f"{SCRATCH}/scratch"}
        devices = {what: attach(f"{place}.img", io) for what, place in places.items()}
        for place in places.values():
            os.makedirs(place, exist_ok=True)
        if not all(devices.values()) or sh(f"{MKFS[fs]} {devices['TEST']}")[0]:
            return [Part(outcome="fail", why="no file system to test")]
        status, lines = sh(
            f"./check {name}", FSTYP=fs, TEST_DEV=devices["TEST"], TEST_DIR=places["TEST"],
            SCRATCH_DEV=devices["SCRATCH"], SCRATCH_MNT=places["SCRATCH"],
        )  # fmt: skip
        part = verdict(status or "Passed all 1 tests" not in lines, lines, r"\[not run\]")
        if part.outcome == "fail":
            why = [part.why, *(line for line in lines if re.match(cls.WHY.format(name), line))]
            part = part._replace(why=" ".join(why)[:400])
        sh(f"umount --quiet {' '.join(places.values())}; losetup --detach {' '.join(devices.values())}")
        return [part]


SUITES = {
    "util-linux": UtilLinux, "mdadm": Mdadm, "btrfs-progs": BtrfsProgs, "systemd": Systemd, "stress-ng": StressNg,
    "xfstests": Xfstests,
}  # fmt: skip


def left():
    """What a test has left of loop devices, in words."""
    bound = [path.split("/")[3] for path in glob.glob("/sys/block/loop*/loop")]
    with open("/proc/self/mounts") as file:
        mounts = [line.split()[1] for line in file if re.match(r"/dev/(loop|md|mapper/)", line)]
    return " ".join(sorted(bound + mounts))


def tidy():
    """Wait for what goes by itself, then take away what is left; returns it in words."""
    end = time.monotonic() + PATIENCE
    while (found := left()) and time.monotonic() < end:
        subprocess.run(["udevadm", "settle", "--timeout=10"])
        time.sleep(0.2)
    if found:
        sh(
            "swapoff -a; awk '$1 ~ /^\\/dev\\/(loop|md|mapper)/ { print $2 }' /proc/mounts | tac | xargs -r -n 1 umount --lazy; "
            "mdadm --stop --scan; dmsetup remove_all; losetup --detach-all; udevadm settle",
            where="/",
        )
    return found


def run(suite, test):
    with open("/dev/kmsg", "w") as kmsg:
        kmsg.write(f"peers: {test}")
    print(f"start\t{test}", flush=True)
    start = time.monotonic()
    parts = suite.run(test)
    if found := tidy():
        parts.append(Part("left", "fail", found))
    for part in parts:
        print("result", test, part.name, part.outcome, " ".join(part.why.split()), sep="\t", flush=True)
    print("done", test, round(time.monotonic() - start), sep="\t", flush=True)


def main():
    suite = SUITES[sys.argv[2] if sys.argv[1] == "--list" else sys.argv[1]]
    if sys.argv[1] == "--list":
        print("\n".join(suite.tests(sys.argv[3])))
        return
    must(f"mkfs.ext4 -qF {os.environ['LOOP_SCRATCH_DEV']} && mount {os.environ['LOOP_SCRATCH_DEV']} {SCRATCH}")
    shutil.copytree(SOURCE, PLACE, symlinks=True)
    # Where mdadm's tests have their images.
    must(f"mkdir {SCRATCH}/var-tmp && mount --bind {SCRATCH}/var-tmp /var/tmp")
    for test in sys.argv[2:]:
        run(suite, test)
    os.chdir("/")
    status, _ = sh(f"umount /var/tmp; umount {SCRATCH}; udevadm settle; rmmod loop", where="/")
    if status:
        print("leftover: the loop module cannot be removed", flush=True)


main()
