# SPDX-License-Identifier: GPL-2.0
"""A stock Debian kernel: its image, its modules, and a tree to build modules against.

Debian's header packages lack what rustc needs of a kernel (the metadata of its
crates). It is made again here from the source package of the same version with
the configuration of the headers: same compiler, same configuration, therefore
the same metadata, and modules built with it load into the unmodified kernel.

KERNEL= names one as SERIES[-SUITE][-FLAVOUR][-ARCH]; what is left out is
trixie-backports, cloud and amd64:

    7.2   7.3-rt   7.2-generic   7.2-arm64   7.2-sid   7.2-sid-rt-arm64   7.3-experimental
"""

import functools
import os
import re
import shutil

from . import apt, cache, toolbox
from .say import Failure, Step, say

# The kernels that a release is tested with.
SERIES = ("7.2", "7.3")
FLAVOUR = "cloud-amd64"
CC = "x86_64-linux-gnu-gcc-14"
RECIPE = 1
NAME = re.compile(r"(\d+\.\d+)(?:-(sid|experimental))?(?:-(cloud|generic|rt))?(?:-(amd64|arm64))?")
# The kernels of `make kernels`, in the order of its table.
TRIED = (
    "7.2", "7.2-generic", "7.2-rt", "7.2-arm64", "7.2-rt-arm64", "7.2-sid", "7.2-sid-rt", "7.2-sid-arm64",
    "7.3", "7.3-generic", "7.3-rt", "7.3-arm64", "7.3-rt-arm64", "7.3-experimental", "7.3-experimental-rt",
    "7.3-experimental-arm64",
)  # fmt: skip
# Which toolbox has the compilers of a kernel: by CONFIG_RUSTC_VERSION_TEXT and CONFIG_CC_VERSION_TEXT.
TOOLBOXES = {
    ("1.85", "x86_64-linux-gnu-gcc-14"): None,
    ("1.85", "aarch64-linux-gnu-gcc-14"): "arm64",
    ("1.97", "x86_64-linux-gnu-gcc-16"): "sid",
    ("1.97", "aarch64-linux-gnu-gcc-16"): "sid",
}
# What differs when Debian builds the same compiler and binutils anew.
REBUILT = re.compile(r"#define CONFIG_(CC_VERSION_TEXT|AS_VERSION|LD_VERSION) ")
# What the guest's disks need before there is a root file system, where the kernel has it as modules.
ROOT_MODULES = {"CONFIG_BLK_DEV_NVME": "nvme", "CONFIG_EXT4_FS": "ext4"}
INITRAMFS_INIT = """#!/bin/busybox sh
busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
	busybox insmod "$module"
done
# Only the root disk has a partition.
until busybox mount -t ext4 /dev/nvme0n*p1 /new 2>/dev/null; do
	busybox sleep 0.1
done
exec busybox switch_root /new /bin/sh "$@"
"""


def offered(suite, arch, options):
    """The names, as KERNEL= wants them, of the kernels that a suite has with their source."""
    series = [name.removeprefix("linux-source-") for name in apt.names(r"linux-source-\d+\.\d+", options)]
    for each in sorted(series):
        for flavour, package in (("", f"cloud-{arch}"), ("-generic", arch), ("-rt", f"rt-{arch}")):
            if apt.names(header_pattern(each, package), options):
                yield f"{each}{'' if suite == apt.BACKPORTS else f'-{suite}'}{flavour}{'' if arch == apt.ARCH else f'-{arch}'}"


def header_pattern(series, flavour):
    return rf"linux-headers-({re.escape(series)}(?:\.(\d+))?(?:[+~][^-]*)?-{flavour})"


def find_release(series, suite=apt.BACKPORTS, flavour=FLAVOUR, arch=apt.ARCH):
    """The highest release of a series that has a source package of the very same version."""
    options = apt.archive(suite, arch)
    pattern = header_pattern(series, flavour)
    found = [re.fullmatch(pattern, name) for name in apt.names(pattern, options)]
    sources = apt.versions(f"linux-source-{series}", options)
    for match in sorted(found, key=lambda match: int(match[2] or 0), reverse=True):
        version = next(iter(apt.versions(match[0], options)), None)
        if version in sources:
            return match[1], version
    if found:
        raise Failure(
            f"the mirror's kernel {series} ({found[0][1]}) and linux-source-{series} "
            f"({', '.join(sources) or 'none'}) differ; it may be half updated: try later, or another MIRROR="
        )
    there = ", ".join(offered(suite, arch, options)) or "none"
    raise Failure(
        f"the mirror has no kernel {series} for {flavour} in {suite}; what KERNEL= can be there: {there}\n"
        f"  Other suites: KERNEL=SERIES-sid, SERIES-experimental; the other architecture: SERIES-arm64; another mirror: MIRROR=URL"
    )


def config_value(config, name):
    with open(config) as file:
        found = re.search(rf"^{name}=(.*)$", file.read(), re.MULTILINE)
    return found and found[1].strip('"')


def settings(autoconf):
    with open(autoconf) as file:
        return set(file.read().splitlines())


class Kernel(cache.Entry):
    """A stock kernel: `source`, `obj` (the KDIR), `vmlinuz`, `modules.ext4`, perhaps `initrd`, `release`.

    `series` is what KERNEL= says, `linux` the series of Linux alone.
    """

    gib = 4
    # What a guest with it gets, and how much longer than usual is waited for it.
    arguments, memory, patience = "", 2048, 1
    arch = apt.ARCH

    def __init__(self, series):
        found = NAME.fullmatch(series)
        if not found:
            raise Failure(f"KERNEL={series}? It is SERIES[-sid|-experimental][-generic|-rt][-arm64], such as 7.2 or 7.3-rt-arm64")
        self.linux, self.suite, self.arch = found[1], found[2] or apt.BACKPORTS, found[4] or apt.ARCH
        # These take several times as long, emulated.
        if self.arch != apt.ARCH or found[3] == "rt":
            self.patience = 4
        self.flavour = {"generic": "", None: "cloud-"}.get(found[3], f"{found[3]}-") + self.arch
        # However it was written.
        words = (found[1], found[2], found[3] if found[3] != "cloud" else None, found[4] if found[4] != apt.ARCH else None)
        self.series = "-".join(filter(None, words))
        self.name = f"kernel-{self.series}"
        self.key = cache.recipe_key(RECIPE, self.flavour, CC)

    @property
    def kdir(self):
        return os.path.join(self.dir, "obj")

    @property
    def source(self):
        return os.path.join(self.dir, "source")

    @property
    def vmlinuz(self):
        return os.path.join(self.dir, "vmlinuz")

    @property
    def modules(self):
        return os.path.join(self.dir, "modules.ext4")

    @property
    def initrd(self):
        """What has the modules of the root disk, or None if the kernel needs none."""
        path = os.path.join(self.dir, "initrd")
        return path if os.path.exists(path) else None

    @property
    def config(self):
        return os.path.join(self.kdir, ".config")

    @property
    def rustc(self):
        """What `rustc --version` says of the one that the kernel was built with."""
        return config_value(self.config, "CONFIG_RUSTC_VERSION_TEXT")

    @property
    def cc(self):
        return (config_value(self.config, "CONFIG_CC_VERSION_TEXT") or "").split(" ")[0]

    @functools.cached_property
    def toolbox(self):
        """The toolbox with the compilers that the kernel was built with."""
        rustc = re.match(r"rustc (\d+\.\d+)\.", self.rustc or "")
        if not rustc or config_value(self.config, "CONFIG_RUST") != "y":
            raise Failure(f"{self.name} was built without Rust: no Rust module can be built for it; use another kernel: KERNEL=")
        if (rustc[1], self.cc) not in TOOLBOXES:
            raise Failure(
                f"{self.name} was built with {self.rustc} and {self.cc}, and no toolbox has these: "
                "see TOOLBOXES in scripts/lab/kernel.py and scripts/toolbox"
            )
        return TOOLBOXES[rustc[1], self.cc]

    def command(self, *words):
        """A command line that runs where the compilers are."""
        return toolbox.command(self.toolbox, *words)

    def guest_command(self, *words):
        """A command line that runs where there is what builds programs for its guests, and boots them."""
        return toolbox.command("arm64" if self.arch == "arm64" else None, *words)

    @property
    def guest_cc(self):
        """The compiler of guest_command() for programs."""
        return "aarch64-linux-gnu-gcc-14" if self.arch == "arm64" else CC

    @property
    def make_arguments(self):
        """What says which compiler, for everything that is built for this kernel."""
        if self.arch == "arm64":
            version = self.cc.rpartition("-")[2]
            return [
                f"CC={self.cc}", "ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-",
                "CROSS_COMPILE_COMPAT=arm-linux-gnueabihf-", f"CC_COMPAT=arm-linux-gnueabihf-gcc-{version}",
            ]  # fmt: skip
        return [f"CC={self.cc}"]

    @property
    def make_command(self):
        return self.command("make", "-C", self.source, f"O={self.kdir}", *self.make_arguments, f"-j{os.cpu_count()}")

    @property
    def release(self):
        with open(os.path.join(self.kdir, "include/config/kernel.release")) as file:
            return file.read().strip()

    def make(self):
        release, version = find_release(self.linux, self.suite, self.flavour, self.arch)
        packages = os.path.join(self.dir, "packages")
        headers = os.path.join(packages, "usr/src", f"linux-headers-{release}")
        with Step(f"fetching kernel {release}", cache.log(f"{self.name}-fetch")) as step:
            self.fetch(step, release, version, packages)
        self.take_config(headers)
        with Step(f"preparing the build tree of {release}", cache.log(f"{self.name}-kdir")) as step:
            self.prepare(step, headers)
            # For the kselftests: the kernel's own headers, and a place to mount ours.
            step.run(*self.make_command, "headers")
            os.makedirs(os.path.join(self.source, "tools/testing/selftests/loop"), exist_ok=True)
            if modules := [name for option, name in ROOT_MODULES.items() if config_value(self.config, option) == "m"]:
                self.make_initrd(step, os.path.join(packages, "usr/lib/modules", release), modules)
        shutil.rmtree(packages)
        return [
            "vmlinuz", "modules.ext4", "source/Makefile", "source/rust/kernel/lib.rs",
            "source/tools/testing/selftests/lib.mk", *self.prepared(),
        ]  # fmt: skip

    def prepared(self):
        """The files that vouch for the build tree."""
        metadata = [name for name in os.listdir(os.path.join(self.kdir, "rust")) if name.endswith(".rmeta")]
        return [
            "obj/.config", "obj/Makefile", "obj/Module.symvers", "obj/include/generated/utsrelease.h",
            "obj/scripts/mod/modpost", "obj/rust/libmacros.so", *(f"obj/rust/{name}" for name in metadata),
        ]  # fmt: skip

    def fetch(self, step, release, version, packages):
        options = apt.archive(self.suite, self.arch)
        binary = apt.names(rf"linux-binary-(unsigned-)?{re.escape(release)}", options)
        wanted = [
            max(binary, default=f"linux-binary-{release}"), f"linux-base-{release}",
            f"linux-modules-{release}", f"linux-headers-{release}",
        ]  # fmt: skip
        same = self.of_same_source(version)
        if not same:
            wanted.append(f"linux-source-{self.linux}={version}")
        apt.unpack(step, wanted, packages, options=options)
        if same:
            # Nothing is ever written to it.
            step.run("cp", "-al", same.source, self.source)
        else:
            step.run("tar", "-xf", f"{packages}/usr/src/linux-source-{self.linux}.tar.xz", "-C", self.dir)
            os.rename(os.path.join(self.dir, f"linux-source-{self.linux}"), self.source)

        tree = os.path.join(packages, "usr/lib/modules", release)
        image = next(name for name in os.listdir(tree) if name.startswith("vmlinuz"))
        shutil.move(os.path.join(tree, image), self.vmlinuz)
        for link in ("build", "source"):
            if os.path.islink(os.path.join(tree, link)):
                os.unlink(os.path.join(tree, link))
        step.run("depmod", "-b", os.path.join(packages, "usr"), release)
        mib = int(apt.output("du", "-sm", tree).split()[0]) * 5 // 4 + 32
        step.run("mke2fs", "-q", "-t", "ext4", "-L", "modules", "-d", os.path.dirname(tree), self.modules, f"{max(160, mib)}M")

    def is_version(self, version):
        """Whether the kernel's image says that it was built of a version of Debian's source package."""
        with open(self.vmlinuz, "rb") as image:
            return f" Debian {version} ".encode() in image.read(65536)

    def of_same_source(self, version):
        """A kernel in the cache that was built of the same source, if there is one."""
        origin = f"{self.linux}-{self.suite}" if self.suite != apt.BACKPORTS else self.linux
        others = (Kernel(f"{origin}{flavour}") for flavour in ("", "-generic", "-rt") if f"{origin}{flavour}" != self.series)
        return next((other for other in others if other.intact() and other.is_version(version)), None)

    def make_initrd(self, step, tree, names):
        """An initramfs that loads modules, and goes on with the root disk."""
        stage = os.path.join(self.dir, "initramfs")
        for name in ("bin", "dev", "modules", "new"):
            os.makedirs(os.path.join(stage, name))
        apt.unpack(step, ["busybox-static"], os.path.join(stage, "packages"), options=apt.archive(apt.BACKPORTS, self.arch))
        shutil.move(os.path.join(stage, "packages/usr/bin/busybox"), os.path.join(stage, "bin"))
        shutil.rmtree(os.path.join(stage, "packages"))
        with open(os.path.join(stage, "init"), "w") as file:
            file.write(INITRAMFS_INIT)
        os.chmod(os.path.join(stage, "init"), 0o755)
        with open(os.path.join(tree, "modules.dep")) as file:
            depends = {os.path.basename(path).split(".")[0]: [path, *others] for path, *others in
                       (line.replace(":", "").split() for line in file)}  # fmt: skip
        # What a module needs stands behind it, what that needs at the end.
        ordered = dict.fromkeys(path for name in names for path in reversed(depends[name]))
        for number, path in enumerate(ordered):
            target = os.path.join(stage, "modules", f"{number:02}-{os.path.basename(path)}")
            shutil.copy(os.path.join(tree, path), target)
            if target.endswith(".xz"):
                step.run("xz", "-d", target)
        step.run("sh", "-c", 'cd "$1" && find . | cpio --quiet -o -H newc >"$2"', "sh", stage, os.path.join(self.dir, "initrd"))
        shutil.rmtree(stage)

    def take_config(self, headers):
        """Take the configuration of the headers, and look whether there is what it was built with."""
        os.makedirs(self.kdir, exist_ok=True)
        shutil.copy(os.path.join(headers, ".config"), self.kdir)
        toolbox.get(self.toolbox)
        # A module of another rustc would not load, or worse.
        ours = toolbox.output(self.toolbox, "rustc", "--version")
        if ours != self.rustc:
            name = f"the toolbox for {self.toolbox}" if self.toolbox else "the toolbox"
            raise Failure(
                f"{self.name} was built with {self.rustc}, {name} has {ours}: no module that it builds could be loaded\n"
                "  If the mirror's toolchain moved on, remove that toolbox from the cache to have it made again;\n"
                "  else use a kernel built with what it has: KERNEL="
            )

    def prepare(self, step, headers):
        shutil.copy(os.path.join(headers, "Module.symvers"), self.kdir)
        step.run(*self.make_command, "olddefconfig")
        step.run(*self.make_command, "modules_prepare")
        for file in ("include/generated/utsrelease.h", "include/config/kernel.release"):
            shutil.copy(os.path.join(headers, file), os.path.join(self.kdir, file))
        autoconf = "include/generated/autoconf.h"
        theirs, ours = (settings(os.path.join(tree, autoconf)) for tree in (headers, self.kdir))
        for line in sorted(filter(REBUILT.match, theirs - ours)):
            say(f"  the kernel was built with another build of the same tools: {line.removeprefix('#define ')}")
        if any(not REBUILT.match(line) for line in theirs ^ ours):
            raise Failure(
                f"the toolbox's tools change the kernel's configuration: compare {headers}/{autoconf} "
                f"with {self.kdir}/{autoconf}; the log is {step.log}"
            )
