# SPDX-License-Identifier: GPL-2.0
"""A machine as a user has it: UEFI firmware, shim, GRUB, stock kernels, and a disk that keeps what is written.

`make test-packages` boots it several times; scripts/guest/machine.py is what it
does then. The packages come from apt repositories on a disk.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from . import accelerator, apt, cache, deb, dmesg, kernel, kernel_tree, kselftest
from .guest import INSIDE, KERNEL_ARGUMENTS, Guest
from .say import Failure, Step, say
from .tally import Tally

STEPS = os.path.join(INSIDE, "machine.py")
SHARED = os.path.join(INSIDE, "checks.py")
RESULT = re.compile(r"(ok|FAIL) (\w+)(?:: (.*))?$")
# Firmware and loader take a minute under emulation, and Secure Boot another one.
BOOT_SECONDS = 600
SECONDS = 3000
MIB = 1 << 20
ESP_MIB = 64
OWNER = "6c6f6f70-6c6f-6f70-6c6f-6f706c6f6f70"
# The signed GRUB looks here.
GRUB_CONFIG = "search --no-floppy --label --set=root root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"


class Firmware(cache.Entry):
    """UEFI firmware for QEMU, its variables by name, a key, and an EFI system partition that starts GRUB.

    `off` is without Secure Boot; `on` enforces it with the usual keys; with
    `enrolled` the machine's owner has enrolled the key `mok` besides.
    """

    name = "firmware"
    recipe = 1
    packages = (
        "dosfstools", "grub-efi-amd64-signed", "mtools", "ovmf", "shim-signed", "python3-cffi-backend", "python3-cryptography",
        "python3-importlib-resources", "python3-pefile", "python3-virt-firmware",
    )  # fmt: skip
    key = cache.recipe_key(recipe, packages, apt.SUITE, ESP_MIB, GRUB_CONFIG)

    def file(self, name):
        return os.path.join(self.dir, name)

    def make(self):
        packages = self.file("packages")
        share = f"{packages}/usr/share/OVMF"
        apt.update()
        with Step("fetching UEFI firmware", cache.log(self.name)) as step:
            apt.unpack(step, self.packages, packages)
            shutil.copy(f"{share}/OVMF_CODE_4M.secboot.fd", self.file("code.fd"))
            shutil.copy(f"{share}/OVMF_VARS_4M.fd", self.file("off.fd"))
            shutil.copy(f"{share}/OVMF_VARS_4M.ms.fd", self.file("on.fd"))
            step.run(
                "openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=owner's key/", "-days", "36500",
                "-keyout", self.file("mok.key"), "-out", self.file("mok.pem"),
            )  # fmt: skip
            step.run("openssl", "x509", "-outform", "DER", "-in", self.file("mok.pem"), "-out", self.file("mok.pub"))
            step.run(
                "python3", "-m", "virt.firmware.vars", "--input", self.file("on.fd"), "--output", self.file("enrolled.fd"),
                "--add-mok", OWNER, self.file("mok.pem"),
                env=os.environ | {"PYTHONPATH": f"{packages}/usr/lib/python3/dist-packages"},
            )  # fmt: skip
            self.make_esp(step, packages)
        shutil.rmtree(packages)
        return ["code.fd", "off.fd", "on.fd", "enrolled.fd", "mok.key", "mok.pub", "esp.img"]

    def make_esp(self, step, packages):
        esp, config = self.file("esp.img"), self.file("grub.cfg")
        deb.write(GRUB_CONFIG, config)
        step.run(f"{packages}/usr/sbin/mkfs.vfat", "-C", esp, str(ESP_MIB << 10))
        step.run(f"{packages}/usr/bin/mmd", "-i", esp, "::EFI", "::EFI/BOOT", "::EFI/debian")
        for source, target in (
            (f"{packages}/usr/lib/shim/shimx64.efi.signed", "BOOT/BOOTX64.EFI"),
            (f"{packages}/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "BOOT/grubx64.efi"),
            (config, "debian/grub.cfg"),
        ):
            step.run(f"{packages}/usr/bin/mcopy", "-i", esp, source, f"::EFI/{target}")


class MachineImage(cache.Entry):
    """`disk.img`: an EFI system partition and a Debian with one stock kernel, before its first boot."""

    gib = 3
    recipe = 2
    root_mib = 2048
    packages = (
        "apt,e2fsprogs,grub-common,grub2-common,init,initramfs-tools,kmod,mokutil,mount,procps,python3,squashfs-tools,systemd,"
        "udev,util-linux"
    )
    # Logins and timers have nothing to do here.
    masked = ("getty.target", "serial-getty@ttyS0.service", "timers.target")
    files = {
        "etc/default/grub": f'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX="{KERNEL_ARGUMENTS}"\nGRUB_TERMINAL=console\n',
        "etc/fstab": "LABEL=root / ext4 defaults 0 1\n",
        "etc/hostname": "machine\n",
        "etc/machine-id": "6c6f6f706c6f6f706c6f6f706c6f6f70\n",
        # What the machine is there for, once it is up.
        "etc/systemd/system/lab.service": (
            "[Unit]\nAfter=multi-user.target\n"
            "[Service]\nExecStartPre=mkdir -p /lab\nExecStartPre=sh -c 'until mount LABEL=lab /lab; do sleep 1; done'\n"
            "ExecStart=/lab/run\nStandardOutput=null\nStandardError=journal\n"
        ),
    }  # fmt: skip

    def __init__(self, stock):
        self.release = stock.release
        # With what signs modules.
        self.kernel_packages = f"linux-image-{self.release},linux-kbuild-{self.release.removesuffix('-' + kernel.FLAVOUR)}"
        self.name = f"machine-{self.release}"
        self.key = cache.recipe_key(
            self.recipe, self.packages, self.masked, self.files, self.root_mib, self.kernel_packages, apt.SUITE, Firmware.key
        )

    @property
    def path(self):
        return os.path.join(self.dir, "disk.img")

    def make(self):
        firmware = Firmware().get()
        tree, tar = os.path.join(self.dir, "files"), os.path.join(self.dir, "root.tar")
        for name, text in (self.files | self.first_menu()).items():
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            deb.write(text, tree, name)
        units = " ".join(self.masked)
        sources = "".join(f"deb {apt.mirror()} {suite} main\n" for suite in (apt.SUITE, f"{apt.SUITE}-backports"))
        with Step(f"installing a machine with {self.release}", cache.log("machine")) as step:
            step.run(
                "mmdebstrap", "--mode=root", "--variant=essential", f"--include={self.packages},{self.kernel_packages}",
                f'--aptopt=APT::Install-Recommends "false"; APT::Default-Release "{apt.SUITE}-backports";{apt.PROXY}',
                "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                # Few modules: it is made again at each installation of a kernel, under emulation.
                "--essential-hook=cd $1/etc && mkdir -p initramfs-tools/conf.d && echo MODULES=list >initramfs-tools/conf.d/modules",
                f"--customize-hook=copy-in {tree}/etc {tree}/boot /",
                # Its release is not among the repositories that the machine has later.
                "--customize-hook=rm -f $1/etc/apt/apt.conf.d/99mmdebstrap",
                f"--customize-hook=for unit in {units}; do ln -sf /dev/null $1/etc/systemd/system/$unit; done",
                "--customize-hook=ln -s ../lab.service $1/etc/systemd/system/multi-user.target.wants/",
                apt.SUITE, tar, "-", input=sources,
            )  # fmt: skip
            with open(self.path, "wb") as disk:
                disk.truncate((ESP_MIB + self.root_mib + 3) * MIB)
            table = f"label: gpt\nstart=1MiB, size={ESP_MIB}MiB, type=U\nsize={self.root_mib}MiB\n"
            step.run("sfdisk", "--quiet", self.path, input=table)
            step.run("dd", f"if={firmware.file('esp.img')}", f"of={self.path}", "bs=1M", "seek=1", "conv=notrunc,sparse")
            step.run(
                "mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-d", tar, "-E", f"offset={(ESP_MIB + 1) * MIB}", self.path,
                f"{self.root_mib}M",
            )  # fmt: skip
        os.unlink(tar)
        shutil.rmtree(tree)
        return ["disk.img"]

    def first_menu(self):
        """What GRUB starts until update-grub has run."""
        return {
            "boot/grub/grub.cfg": (
                f"linux /boot/vmlinuz-{self.release} root=LABEL=root ro {KERNEL_ARGUMENTS}\n"
                f"initrd /boot/initrd.img-{self.release}\nboot\n"
            )
        }


class Machine(Guest):
    """One boot of a machine, from a disk and with firmware variables that later boots go on with."""

    boot_seconds = BOOT_SECONDS
    keeps_disk = True

    def __init__(self, stock, accel, where, repository, payload):
        super().__init__(stock, accel, payload=[payload])
        self.where, self.modules = where, repository

    def boot(self):
        code = Firmware().file("code.fd")
        return [
            "-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on",
            "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
            "-drive", f"if=pflash,unit=1,format=raw,file={self.where}/variables.fd",
        ]  # fmt: skip

    def root_disk(self):
        return f"{self.where}/disk.img", "snapshot=off"


def make_repository(step, where, groups):
    """A disk of apt repositories, one a group of packages."""
    tree, disk = os.path.join(where, "repository"), os.path.join(where, "repository.img")
    for name, debs in groups.items():
        os.makedirs(f"{tree}/{name}")
        for path in debs:
            shutil.copy(path, f"{tree}/{name}")
        scan = ["dpkg-scanpackages", "--multiversion", "."]
        index = subprocess.run(scan, cwd=f"{tree}/{name}", check=True, capture_output=True, text=True)
        deb.write(index.stdout, tree, name, "Packages")
    step.run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "repository", "-d", tree, disk, "600M")
    return disk


def kernel_packages(step, release, where):
    """The packages of another kernel that a machine does not have yet."""
    os.makedirs(where)
    names = [f"linux-{kind}-{release}" for kind in ("image", "binary", "base", "modules")]
    step.run("apt-get", *apt.OPTIONS, "download", *names, cwd=where)
    return glob.glob(f"{where}/*.deb")


class Life:
    """What happens to one machine, boot after boot; outcomes by step."""

    driver = "packages"

    def __init__(self, stock, accel, variables, boots, repository, payload):
        self.names = [f"{variables}_{name}" for names in boots for name in names]
        self.outcomes, self.problems, self.unsteady, self.guests = {}, [], [], []
        self.variables = variables
        with tempfile.TemporaryDirectory(dir=cache.path()) as where:
            subprocess.run(["cp", "--sparse=always", MachineImage(stock).get().path, f"{where}/disk.img"], check=True)
            shutil.copy(Firmware().get().file(f"{variables}.fd"), f"{where}/variables.fd")
            for number, names in enumerate(boots, 1):
                guest = Machine(stock, accel, where, repository, payload)
                self.guests.append(guest)
                say(f"the machine with Secure Boot '{variables}', boot {number} ({accel.name})")
                status = guest.run(["python3", os.path.basename(STEPS), variables, *names], SECONDS, self.take)
                if status:
                    self.problems.append(guest.verdict or f"the steps ended with status {status}")
                self.problems += dmesg.complaints(guest.dmesg)
                if status or any(self.outcome(f"{variables}_{name}") == "fail" for name in names):
                    break
        for problem in self.problems:
            say(f"{variables}: {problem}")

    def take(self, line):
        if found := RESULT.match(line):
            outcome, name, why = found[1], f"{self.variables}_{found[2]}", found[3] or ""
            self.outcomes[name] = outcome
            print(f"{outcome:10} {name}  {why}".rstrip(), flush=True)
        else:
            print(f"        {line}", flush=True)

    def cell(self, name):
        return self.outcomes.get(name, "no result")

    def outcome(self, name):
        return "pass" if self.cell(name) == "ok" else "fail"


def run(series):
    """What happens to machines with one kernel, to which the packages for both are offered; returns the tally."""
    listed = subprocess.run([sys.executable, STEPS, "--list"], check=True, capture_output=True, text=True)
    stock = kernel.Kernel(series).get()
    others = [kernel.Kernel(other).get() for other in kernel.SERIES if other != series]
    trees = {}
    for each in (stock, *others):
        trees[each.release] = next((tree for tree in kernel_tree.offered(each.series) if tree.release == each.release), None)
        if not trees[each.release]:
            raise Failure(f"the mirror has no {each.release} any more; remove {each.dir} from the cache to have its successor")
        trees[each.release].get()
    accel = accelerator.choose(stock)
    MachineImage(stock).get()
    with cache.locked(deb.PLACE + ".lock", "building packages"), tempfile.TemporaryDirectory() as temporary:
        before = deb.build_in(deb.PLACE + "-before", [trees[stock.release]], "deb-before", f"{deb.version()}~before")
        now = deb.build_in(deb.PLACE, [trees[release] for release in sorted(trees)], "deb")
        payload = os.path.join(temporary, "machine")
        os.mkdir(payload)
        for path in (STEPS, SHARED, *(Firmware().get().file(name) for name in ("mok.key", "mok.pub"))):
            shutil.copy(path, payload)
        with Step("a repository for the machine", cache.log("repository")) as step:
            kernels = kernel_packages(step, others[0].release, os.path.join(temporary, "kernels"))
            repository = make_repository(step, temporary, {"before": before, "now": now, "kernels": kernels})
        lives = [Life(stock, accel, name, boots, repository, payload) for name, boots in json.loads(listed.stdout).items()]
    tally = Tally()
    for life in lives:
        tally += kselftest.report([life], life.names, {})
    return tally
