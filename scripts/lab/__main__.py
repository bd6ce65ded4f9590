# SPDX-License-Identifier: GPL-2.0
"""The lab's command line: `scripts/toolbox python3 -m lab COMMAND …`."""

import argparse
import signal
import sys

from . import accelerator, kernel
from .guest import Guest
from .say import Failure, say


def run_guest(arguments):
    stock = kernel.Kernel(arguments.kernel).get()
    guest = Guest(
        stock,
        accelerator.choose(stock, arguments.accelerator),
        driver=arguments.driver,
        ko=arguments.ko,
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
    kdir.add_argument("--kernel", default="7.2")
    run = commands.add_parser("guest", help="boot a guest, run a command in it (without: a shell)")
    run.add_argument("--kernel", default="7.2")
    run.add_argument("--driver", choices=("ours", "c", "none"), default="ours")
    run.add_argument("--ko", metavar="FILE", help="the module that is `ours` (default: build it)")
    run.add_argument("--cpus", type=int, default=2)
    run.add_argument("--memory", type=int, default=2048, metavar="MIB")
    run.add_argument("--timeout", type=int, default=600, metavar="SECONDS")
    run.add_argument("--payload", action="append", default=[], metavar="DIR")
    run.add_argument("--accelerator", choices=("kvm", "tcg"))
    run.add_argument("argv", nargs="*", metavar="COMMAND")
    arguments = parser.parse_args()
    # So that a killed lab takes its guest along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "kdir":
            print(kernel.Kernel(arguments.kernel).get().kdir)
        elif arguments.command == "guest":
            return run_guest(arguments)
    except Failure as failure:
        say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


sys.exit(main())
