# SPDX-License-Identifier: GPL-2.0
"""The lab's command line: `scripts/toolbox python3 -m lab COMMAND …`."""

import argparse
import signal
import sys

from . import accelerator, check, demo, kernel, kselftest, module
from .guest import Guest
from .say import Failure, say


def run_guest(arguments):
    stock = kernel.Kernel(arguments.kernel).get()
    ko = arguments.ko
    if arguments.driver == "ours" and not ko:
        ko = module.build(stock)
    guest = Guest(
        stock,
        accelerator.choose(stock, arguments.accelerator),
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


def main():
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    kdir = commands.add_parser("kdir", help="prepare a kernel's build tree, print its path")
    build = commands.add_parser("module", help="build loop.ko, print its path")
    job = commands.add_parser("run", help="boot the stock kernel with our loop.ko, do the main job")
    checks = commands.add_parser("check", help="formatting, lints, warnings, the audit of unsafe")
    test = commands.add_parser("test", help="run the kselftests on the C driver, then on ours")
    test.add_argument("--tests", nargs="+", default=["*"], metavar="GLOB")
    test.add_argument("--drivers", nargs="+", choices=("c", "ours"), default=["c", "ours"])
    guest = commands.add_parser("guest", help="boot a guest, run a command in it (without: a shell)")
    for command in (kdir, build, job, checks, test, guest):
        command.add_argument("--kernel", default="7.2", metavar="SERIES", help="7.2 (the default) or 7.3")
    guest.add_argument("--driver", choices=("ours", "c", "none"), default="ours")
    guest.add_argument("--ko", metavar="FILE", help="the module that is `ours` (default: build it)")
    guest.add_argument("--cpus", type=int, default=2)
    guest.add_argument("--memory", type=int, default=2048, metavar="MIB")
    guest.add_argument("--timeout", type=int, default=600, metavar="SECONDS")
    guest.add_argument("--payload", action="append", default=[], metavar="DIR")
    guest.add_argument("--accelerator", choices=("kvm", "tcg"))
    guest.add_argument("argv", nargs="*", metavar="COMMAND")
    arguments = parser.parse_args()
    # So that a killed lab takes its guest along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "kdir":
            print(kernel.Kernel(arguments.kernel).get().kdir)
        elif arguments.command == "module":
            print(module.build(kernel.Kernel(arguments.kernel).get()))
        elif arguments.command == "run":
            return not demo.run(arguments.kernel)
        elif arguments.command == "check":
            return not check.run(arguments.kernel)
        elif arguments.command == "test":
            return not kselftest.run(arguments.kernel, arguments.tests, arguments.drivers)
        elif arguments.command == "guest":
            return run_guest(arguments)
    except Failure as failure:
        say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


sys.exit(main())
