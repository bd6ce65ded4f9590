# SPDX-License-Identifier: GPL-2.0
"""A guest: boots a stock kernel in QEMU, loads a loop driver, runs one command.

Its disks are namespaces of one NVMe controller (built in to the kernel, so no
initramfs is needed); their writes are thrown away:

    1  the root file system     3  the kernel's modules
    2  the lab disk: init,      4  an empty scratch disk, $LOOP_SCRATCH_DEV
       command, driver, payload

The kernel's console is the serial port and goes to a file. The command's
output and the guest's progress have ports of their own.
"""

import contextlib
import ctypes
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import cache, dmesg, image
from .say import Failure, last_line

# What runs in guests.
INSIDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "guest")
BOOT_SECONDS = 120
SCRATCH_BYTES = 8 << 30
RUNS_KEPT = 100
TIMED_OUT = 124
DIED = 125
LAST_WORDS_SECONDS = 60

KERNEL_ARGUMENTS = (
    "console=ttyS0 ignore_loglevel panic=-1 oops=panic mitigations=off tsc=reliable audit=0 "
    # QEMU's threads may have to wait for a core for long.
    "no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 sysctl.kernel.hung_task_timeout_secs=60 "
    # See show_tasks().
    "unknown_nmi_panic sysctl.kernel.panic_sys_info=tasks "
)
# Of these what no other architecture knows; the kernel would hand it to init.
ONLY_X86 = ("console=ttyS0", "tsc=reliable", "no_timer_check", "unknown_nmi_panic")
# Program and machine, by architecture.
QEMU = {"amd64": ("qemu-system-x86_64", "q35"), "arm64": ("qemu-system-aarch64", "virt")}
# These let mount find the lab disk, which has the rest.
FIRST_COMMANDS = (
    "mount -t devtmpfs devtmpfs /dev; mount -t proc proc /proc; mount -t sysfs sysfs /sys; "
    "until mount -L lab /lab 2>/dev/null; do sleep 0.1; done; exec /lab/init"
)


def run_directory():
    """A new directory for what a guest leaves; the oldest of earlier ones go."""
    runs = cache.path("runs")
    os.makedirs(runs, exist_ok=True)
    for old in sorted(os.listdir(runs))[:-RUNS_KEPT]:
        shutil.rmtree(os.path.join(runs, old), ignore_errors=True)
    return tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs)


def die_with_parent():
    """Have the kernel kill this process (QEMU) when the lab is gone, however it went."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def print_line(line):
    print(line, flush=True)


class Guest:
    """What to boot, and after run() what came of it: `output`, `dmesg` (paths), `verdict`."""

    image = image.GuestImage
    init = "init"
    boot_seconds = BOOT_SECONDS
    # Whether what is written to the root disk stays, so that it has to be unmounted in the end.
    keeps_disk = False

    def __init__(
        self, kernel, accelerator, ko=None, driver="none", cpus=2, memory=None, payload=(), kernel_arguments="", asks=False
    ):
        self.kernel, self.accelerator = kernel, accelerator
        self.ko, self.driver = ko, driver
        self.cpus, self.memory, self.payload = cpus, memory or kernel.memory, payload
        self.modules = kernel.modules
        self.kernel_arguments = f"{kernel.arguments} {kernel_arguments}"
        self.boot_seconds = type(self).boot_seconds * kernel.patience
        self.dir = run_directory()
        self.dmesg, self.output, self.status, self.qemu_log = (
            os.path.join(self.dir, name) for name in ("dmesg", "output", "status", "qemu.log")
        )
        # What is sent here can be read in the guest from the port lab.input.
        self.input, self.input_end = socket.socketpair() if asks else (None, None)
        self.monitor, self.monitor_end = socket.socketpair()
        self.verdict = ""

    def lab_disk(self, command, tty):
        """Put everything that is this run's own on one small disk."""
        disk = os.path.join(self.dir, "lab.img")
        with tempfile.TemporaryDirectory(dir=self.dir) as stage:
            for source, name in ((self.init, "init"), ("run", "run")):
                shutil.copy(os.path.join(INSIDE, source), os.path.join(stage, name))
                os.chmod(os.path.join(stage, name), 0o755)
            if self.driver == "ours":
                if not os.path.isfile(self.ko):
                    raise Failure(f"there is no module {self.ko}")
                shutil.copy(self.ko, os.path.join(stage, "loop.ko"))
            directory = "/root"
            for source in reversed(self.payload):
                source = os.path.abspath(source)
                if not os.path.isdir(source):
                    raise Failure(f"payload {source} is no directory")
                directory = os.path.join("/lab/payload", os.path.basename(source))
                shutil.copytree(source, stage + directory.removeprefix("/lab"), symlinks=True)
            with open(os.path.join(stage, "environment"), "w") as file:
                file.write(f"export TERM={os.environ.get('TERM', 'dumb')}\n")
                if self.driver == "ours":
                    file.write("export LOOP_KO=/lab/loop.ko\n")
                size = shutil.get_terminal_size()
                file.write(f"DRIVER={self.driver} DIRECTORY={shlex.quote(directory)} KEEPS_DISK={'yes' if self.keeps_disk else ''}\n")
                file.write(f"TTY={tty} ROWS={size.lines} COLUMNS={size.columns}\n")
            with open(os.path.join(stage, "command"), "w") as file:
                file.write(shlex.join(command) + "\n")
            size = sum(
                os.lstat(os.path.join(base, name)).st_size + 4096
                for base, dirs, files in os.walk(stage)
                for name in dirs + files
            )
            subprocess.run(
                ["mke2fs", "-q", "-t", "ext4", "-L", "lab", "-d", stage, disk, f"{size // 2**20 * 5 // 4 + 64}M"],
                check=True,
            )
        return disk

    def boot(self):
        """Arguments that say what is booted."""
        words = KERNEL_ARGUMENTS
        if self.kernel.arch == "arm64":
            words = " ".join(["console=ttyAMA0", *(word for word in words.split() if word not in ONLY_X86)])
        return [
            "-machine", QEMU[self.kernel.arch][1], "-kernel", self.kernel.vmlinuz,
            *(["-initrd", self.kernel.initrd] if self.kernel.initrd else []),
            "-append", f'{words} {self.kernel_arguments} root=PARTUUID={self.image.partuuid} rw init=/bin/sh -- -c "{FIRST_COMMANDS}"',
        ]  # fmt: skip

    def root_disk(self):
        """The disk with the root file system, and the options of its QEMU drive."""
        return self.image(self.kernel.arch).get().path, "snapshot=on"

    def qemu(self, command, tty):
        scratch = os.path.join(self.dir, "scratch.img")
        with open(scratch, "wb") as file:
            file.truncate(SCRATCH_BYTES)
        arguments = [
            *self.kernel.guest_command(QEMU[self.kernel.arch][0]), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-smp", str(self.cpus), "-m", str(self.memory), *self.accelerator.options, *self.boot(), "-serial", f"file:{self.dmesg}",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-device", "nvme,serial=lab",
        ]  # fmt: skip
        others = [(disk, "snapshot=on") for disk in (self.lab_disk(command, tty), self.modules, scratch)]
        for nsid, (disk, options) in enumerate([self.root_disk(), *others], 1):
            arguments += [
                "-drive", f"if=none,id=disk{nsid},format=raw,file={disk},cache=unsafe,discard=unmap,{options}",
                "-device", f"nvme-ns,drive=disk{nsid},nsid={nsid}",
            ]  # fmt: skip
        arguments += [
            "-chardev", f"file,id=status,path={self.status}",
            "-device", "virtserialport,chardev=status,name=lab.status",
        ]  # fmt: skip
        arguments += [
            "-chardev", f"socket,id=monitor,fd={self.monitor_end.fileno()}", "-mon", "chardev=monitor,mode=readline",
        ]  # fmt: skip
        if self.input:
            arguments += [
                "-chardev", f"socket,id=input,fd={self.input_end.fileno()}",
                "-device", "virtserialport,chardev=input,name=lab.input",
            ]  # fmt: skip
        if tty:
            arguments += ["-chardev", "stdio,id=tty,signal=off", "-device", "virtconsole,chardev=tty"]
        else:
            arguments += [
                "-chardev", "file,id=output,path=/proc/self/fd/1",
                "-device", "virtserialport,chardev=output,name=lab.output",
            ]  # fmt: skip
        return arguments

    def read_status(self):
        try:
            with open(self.status) as file:
                return file.read().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def run(self, command, timeout, take=print_line, silence=None):
        """Run a command in a new guest and return its exit status.

        Without a command it is a shell on this terminal. Each line of output is
        handed to `take` as it comes, and kept in a file. The command may take
        `timeout` seconds, and be silent for `silence` seconds of them.
        """
        tty = "" if command else "yes"
        if tty:
            timeout = None
        with open(self.qemu_log, "w") as qemu_log:
            qemu = subprocess.Popen(
                self.qemu(command, tty),
                stdin=None if tty else subprocess.DEVNULL,
                stdout=None if tty else subprocess.PIPE,
                stderr=qemu_log,
                preexec_fn=die_with_parent,
                pass_fds=[end.fileno() for end in (self.monitor_end, self.input_end) if end],
            )
        for end in (self.monitor_end, self.input_end):
            if end:
                end.close()
        relay = threading.Thread(target=self.relay, args=(qemu.stdout, take), daemon=True)
        try:
            if not tty:
                relay.start()
            self.wait(qemu, timeout, silence or timeout)
            if self.verdict:
                self.show_tasks(qemu)
        finally:
            qemu.kill()
            qemu.wait()
            self.monitor.close()
            if not tty:
                relay.join()
            for name in ("lab.img", "scratch.img"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.dir, name))
        return self.judge()

    def relay(self, pipe, take):
        with open(self.output, "wb") as output:
            for line in pipe:
                self.heard = time.monotonic()
                output.write(line)
                output.flush()
                take(line.decode(errors="replace").rstrip("\r\n"))

    def wait(self, qemu, timeout, silence):
        """Until QEMU ends or one of the time limits is over; the verdict says which."""
        self.heard = start = time.monotonic()
        booted = False
        while qemu.poll() is None:
            now = time.monotonic()
            if not booted and "booted" in self.read_status():
                booted, self.heard, start = True, now, now
            if not booted and now - start > self.boot_seconds:
                self.verdict = f"the guest did not boot within {self.boot_seconds} s"
            elif booted and timeout and now - start > timeout:
                self.verdict = f"the command did not end within {timeout} s"
            elif booted and silence and now - self.heard > silence:
                self.verdict = f"the command printed nothing for {silence} s"
            if self.verdict:
                return
            time.sleep(0.05)

    def show_tasks(self, qemu):
        """Have a guest that hangs tell on its console where each of its tasks is: it panics of an NMI."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.monitor.sendall(b"nmi\n")
            qemu.wait(LAST_WORDS_SECONDS)

    def judge(self):
        status = self.read_status()
        last = status[-1].split() if status else [""]
        if last[0] == "exit":
            self.verdict = ""
            return int(last[1])
        if self.verdict:
            return TIMED_OUT
        if not os.path.exists(self.dmesg) or not os.path.getsize(self.dmesg):
            self.verdict = f"QEMU did not start: {last_line(self.qemu_log)}"
        elif last[0] == "driver":
            self.verdict = f"the {self.driver} driver could not be loaded"
            for line in dmesg.lines(self.dmesg):
                if line.startswith(("insmod:", "modprobe:")):
                    self.verdict += f": {line}"
        else:
            self.verdict = "the guest died" if status else "the guest died while booting"
            for line in dmesg.complaints(self.dmesg)[:1]:
                self.verdict += f": {line}"
        return DIED
