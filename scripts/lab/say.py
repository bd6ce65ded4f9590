# SPDX-License-Identifier: GPL-2.0
"""What the lab says: progress while it works, and the one message when it can't.

Everything goes to standard error, so that standard output stays free for what
a command is asked for (a path, a guest's output).
"""

import os
import subprocess
import sys
import threading
import time

HEARTBEAT_SECONDS = 5


class Failure(Exception):
    """What went wrong, in words for the user, with what to do about it."""


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def last_line(path):
    """The last line that has text in it, shortened, or nothing."""
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 4096))
            lines = log.read().decode(errors="replace").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip()[:100] for line in reversed(lines) if line.strip()), "")


class Step:
    """A step of several seconds: says its name, that it lives, how long it took.

    Commands run through it write to its log, whose last line is what the
    heartbeat shows.
    """

    def __init__(self, name, log):
        self.name, self.log = name, log

    def __enter__(self):
        say(f"{self.name} …")
        self.start = time.monotonic()
        self.over = threading.Event()
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        self.file = open(self.log, "w")
        threading.Thread(target=self.beat, daemon=True).start()
        return self

    def beat(self):
        while not self.over.wait(HEARTBEAT_SECONDS):
            say(f"  {time.monotonic() - self.start:.0f} s: {last_line(self.log)}")

    def __exit__(self, kind, error, trace):
        self.over.set()
        self.file.close()
        if kind is None:
            say(f"{self.name}: {time.monotonic() - self.start:.0f} s")

    def run(self, *command, input="", **options):
        """Run a command to its end, raising Failure with the log's name if it fails."""
        print("+", *command, file=self.file, flush=True)
        done = subprocess.run(
            command, input=input, text=True, stdout=self.file, stderr=subprocess.STDOUT, **options
        )
        if done.returncode:
            raise Failure(
                f"{self.name}: {command[0]} failed ({done.returncode}): "
                f"{last_line(self.log)}\n  the log is {self.log}"
            )
