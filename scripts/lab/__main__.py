# SPDX-License-Identifier: GPL-2.0
"""The lab's command line: `scripts/toolbox python3 -m lab COMMAND …`."""

import argparse
import signal
import sys

from bench import run as bench

from . import (
    accelerator, check, deb, demo, differential, dropin, kernel, kernel_debug, kernels, kselftest, module, mutants, packages,
    peers, powercut, release, rustdoc, series, series_kernel, storm,
)  # fmt: skip
from .guest import Guest
from .say import Failure, say

# Random sequences that `make test` runs.
SEEDS = "1-300"


def choose_kernel(arguments):
    wanted = kernel_debug.DebugKernel if arguments.debug else kernel.Kernel
    return wanted(arguments.kernel).get()


def run_guest(arguments):
    booted = choose_kernel(arguments)
    ko = arguments.ko
    if arguments.driver == "ours" and not ko:
        ko = module.build(booted)
    guest = Guest(
        booted,
        accelerator.choose(kernel.Kernel(arguments.kernel).get(), arguments.accelerator),
        driver=arguments.driver,
        ko=ko,
        cpus=arguments.cpus,
        memory=arguments.memory,
        payload=arguments.payload,
    )
    status = guest.run(arguments.argv, arguments.timeout)
    if status:
        say(f"{guest.verdict or f'the command failed ({status})'}; dmesg is {guest.dmesg}")
    return status


def run_tests(arguments):
    """The kselftests; where none is asked for by name, also what compares the drivers, and the packages in short."""
    if arguments.debug:
        tally = kselftest.run(arguments.kernel, arguments.tests, arguments.drivers or ["ours"], debug=True)
        if arguments.tests == ["*"]:
            tally += powercut.run(arguments.kernel, powercut.HANDFUL, 1, debug=True)
        return tally
    drivers = arguments.drivers or ["c", "ours"]
    tally = kselftest.run(arguments.kernel, arguments.tests, drivers)
    if arguments.tests == ["*"] and len(drivers) > 1:
        tally += differential.run(arguments.kernel, arguments.seeds)
        tally += dropin.run(arguments.kernel, ["*"], drivers)
        try:
            tally += packages.run_short(arguments.kernel)
        except Failure as failure:
            say(f"packages: {failure}")
            tally.failed += 1
    return tally


def main():
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kdir = commands.add_parser("kdir", help="prepare a kernel's build tree, print its path")
    build = commands.add_parser("module", help="build loop.ko, print its path")
    job = commands.add_parser("run", help="boot the stock kernel with our loop.ko, do the main job")
    checks = commands.add_parser("check", help="formatting, lints, warnings, the audit of unsafe, host tests")
    test = commands.add_parser("test", help="kselftests, random sequences and a system, on the C driver and on ours")
    test.add_argument("--tests", nargs="+", default=["*"], metavar="GLOB", help="only these kselftests")
    test.add_argument("--seeds", default=SEEDS, metavar="FIRST-LAST", help="of the random sequences")
    test.add_argument("--drivers", nargs="+", choices=("c", "ours"), help="default: both; with --debug ours")
    diff = commands.add_parser("differential", help="run the same random sequences on both drivers, compare")
    diff.add_argument("--seeds", default=SEEDS, metavar="FIRST-LAST")
    diff.add_argument("--sequence", metavar="FILE", help="the lines of this file instead")
    diff.add_argument("--ko", metavar="FILE", help="the module that is `ours` (default: build it)")
    storms = commands.add_parser("storm", help="random calls by many processes at once, and what they leave")
    storms.add_argument("--calls", type=int, default=100000, metavar="N")
    storms.add_argument("--seed", type=int, default=1, metavar="FIRST")
    storms.add_argument("--driver", choices=("c", "ours"), default="ours")
    measure = commands.add_parser("bench", help="measure the drivers and their neighbours")
    measure.add_argument("--profile", action="store_true", help="which functions cost most, instead")
    measure.add_argument("--cases", nargs="+", default=["*"], metavar="GLOB", help="`list` lists them")
    measure.add_argument("--ko", metavar="FILE", help="the module that is `ours` (default: build it)")
    measure.add_argument("--rounds", type=int, default=0, metavar="N")
    measure.add_argument("--neighbours", nargs="+", default=bench.ALL, choices=bench.ALL)
    measure.add_argument("--output", metavar="PATH", help="write PATH.json, PATH.md and PATH.svg")
    system = commands.add_parser("dropin", help="a system with systemd on the C driver, then on ours")
    system.add_argument("--tests", nargs="+", default=["*"], metavar="GLOB")
    system.add_argument("--drivers", nargs="+", choices=("c", "ours"), default=["c", "ours"])
    system.add_argument("--ko", metavar="FILE", help="install this module (default: make install)")
    others = commands.add_parser("peers", help="suites that others wrote, on the C driver and on ours")
    others.add_argument("--suites", nargs="+", default=["*"], metavar="GLOB", help=f"of {', '.join(peers.SOURCES)}")
    others.add_argument("--tests", nargs="+", default=["*"], metavar="GLOB")
    others.add_argument("--slice", default="1/1", metavar="K/N", help="each N-th test, from the K-th on")
    others.add_argument("--drivers", nargs="+", choices=("c", "ours"), default=["c", "ours"])
    others.add_argument("--fresh", action="store_true", help="take no results of earlier runs")
    others.add_argument("--xfstests", metavar="DIRECTORY", help="a checkout of xfstests, which Debian lacks")
    cuts = commands.add_parser("powercut", help="cut the power of guests that write, check what is left")
    cuts.add_argument(
        "--cuts", type=int, default=powercut.HANDFUL, metavar="N", help="so many images of disks are checked"
    )
    cuts.add_argument("--seed", type=int, default=1, metavar="N", help="of the first kill; each has the next one")
    cuts.add_argument("--break", dest="broken", choices=powercut.BREAKS, help="what has to be noticed")
    cuts.add_argument("--setups", nargs="+", default=["*"], metavar="GLOB", help="only these; a wrong one lists them")
    cuts.add_argument("--ko", metavar="FILE", help="the module that is `ours` (default: build it)")
    debs = commands.add_parser("deb", help="build Debian packages of modules for stock kernels, print their paths")
    debs.add_argument("--kernel", default="", metavar="RELEASE", help="only releases that begin so (7.2, 7.3.4)")
    debs.add_argument("--twice", action="store_true", help="and again: they have to be the same to the byte")
    installed = commands.add_parser("packages", help="install the packages in a guest, and remove them")
    mutations = commands.add_parser("mutants", help="break the driver in single ways, see whether the tests notice")
    mutations.add_argument("--mutants", nargs="+", default=["*"], metavar="GLOB", help="only these of tests/mutants.toml")
    mutations.add_argument("--minutes", type=int, default=100, metavar="N", help="begin none that takes longer")
    mutations.add_argument("--guests", type=int, default=kselftest.GUESTS, metavar="N", help="at the same time")
    mutations.add_argument("--build-only", action="store_true", help="see whether they compile")
    session = commands.add_parser("release", help="run pieces of what a release has to pass, write the results down")
    session.add_argument("--minutes", type=int, default=100, metavar="N", help="begin no piece that takes longer")
    session.add_argument("--pieces", metavar="GLOB", help="of these commands those that are missing or failed")
    session.add_argument("--status", action="store_true", help="run nothing, list what is missing or failed")
    patches = commands.add_parser("series", help="the driver as patches for the kernel's tree, print their directory")
    patches.add_argument("--build", action="store_true", help="build rust/ and drivers/block/ at the end of the series")
    patches.add_argument("--each", action="store_true", help="build them after each patch")
    patches.add_argument("--arch", choices=tuple(series.ARCHES), default="x86_64")
    patches.add_argument("--test", action="store_true", help="boot it with the driver built in, and run the tree's kselftests")
    patches.add_argument("--tests", nargs="+", default=["*"], metavar="GLOB")
    patches.add_argument("--goals", nargs="+", default=series.GOALS, help="what is built")
    table = commands.add_parser("kernels", help="build, boot and test on kernels, write doc/results/kernels.md")
    table.add_argument("--kernels", nargs="+", default=["*"], metavar="GLOB", help="only these, or others by name")
    table.add_argument("--tests", nargs="+", default=["*"], metavar="GLOB", help=f"default: {' '.join(kernels.TESTS)}")
    table.add_argument("--build-only", action="store_true", help="boot nothing, write nothing")
    documents = commands.add_parser("doc", help="rustdoc of the driver, print its path")
    guest = commands.add_parser("guest", help="boot a guest, run a command in it (without: a shell)")
    for command in (
        kdir, build, job, checks, test, diff, storms, measure, system, others, cuts, mutations, installed, documents,
        guest,
    ):  # fmt: skip
        command.add_argument("--kernel", default="7.2", metavar="SERIES", help="7.2 (the default), 7.3, 7.3-rt, 7.2-sid, 7.2-arm64, …")
    guest.add_argument("--driver", choices=("ours", "c", "none"), default="ours")
    guest.add_argument("--ko", metavar="FILE", help="the module that is `ours` (default: build it)")
    guest.add_argument("--cpus", type=int, default=2)
    guest.add_argument("--memory", type=int, metavar="MIB")
    guest.add_argument("--timeout", type=int, default=600, metavar="SECONDS")
    guest.add_argument("--payload", action="append", default=[], metavar="DIR")
    guest.add_argument("--accelerator", choices=("kvm", "tcg", "icount"))
    guest.add_argument("argv", nargs="*", metavar="COMMAND")
    for command in (kdir, build, test, storms, cuts, documents, guest):
        command.add_argument("--debug", action="store_true", help="the debug kernel of that series (see debug.config)")
    arguments = parser.parse_args()
    # So that a killed lab takes its guest along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "kdir":
            print(choose_kernel(arguments).kdir)
        elif arguments.command == "module":
            print(module.build(choose_kernel(arguments)))
        elif arguments.command == "run":
            return not demo.run(arguments.kernel)
        elif arguments.command == "check":
            return not check.run(arguments.kernel)
        elif arguments.command == "test":
            return not run_tests(arguments).report()
        elif arguments.command == "differential":
            tally = differential.run(arguments.kernel, arguments.seeds, arguments.sequence, arguments.ko)
            return not tally.report()
        elif arguments.command == "storm":
            tally = storm.run(arguments.kernel, arguments.calls, arguments.seed, arguments.driver, arguments.debug)
            return not tally.report()
        elif arguments.command == "bench":
            return not bench.run(arguments)
        elif arguments.command == "dropin":
            tally = dropin.run(arguments.kernel, arguments.tests, arguments.drivers, arguments.ko)
            return not tally.report()
        elif arguments.command == "peers":
            tally = peers.run(
                arguments.kernel, arguments.suites, arguments.tests, arguments.slice, arguments.drivers, arguments.fresh,
                arguments.xfstests,
            )  # fmt: skip
            return not tally.report()
        elif arguments.command == "powercut":
            tally = powercut.run(
                arguments.kernel, arguments.cuts, arguments.seed, arguments.broken, arguments.ko, arguments.debug,
                arguments.setups,
            )  # fmt: skip
            return not tally.report()
        elif arguments.command == "deb":
            print("\n".join(deb.build(arguments.kernel, arguments.twice)))
        elif arguments.command == "packages":
            return not packages.run(arguments.kernel).report()
        elif arguments.command == "mutants":
            return not mutants.run(
                arguments.kernel, arguments.mutants, arguments.minutes, arguments.guests, arguments.build_only
            )
        elif arguments.command == "release":
            return not release.run(arguments.minutes, arguments.pieces, arguments.status)
        elif arguments.command == "series":
            if arguments.test:
                return not series_kernel.run(arguments.tests).report()
            if arguments.build or arguments.each:
                print(series.build(arguments.arch, arguments.each, arguments.goals))
            else:
                return not series.run()
        elif arguments.command == "kernels":
            return not kernels.run(arguments.kernels, arguments.tests, arguments.build_only).report()
        elif arguments.command == "doc":
            print(rustdoc.build(choose_kernel(arguments)))
        elif arguments.command == "guest":
            return run_guest(arguments)
    except Failure as failure:
        say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


sys.exit(main())
