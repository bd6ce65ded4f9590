# SPDX-License-Identifier: GPL-2.0
"""How many passed: the line that everything which tests ends with."""


# As many tests as fail at most for them to be run once more, by themselves, before they count. On a busy host
# emulated time goes on while the guest does not, and what a test waits for may come too late. More of them,
# or a word of the kernel, leave no doubt.
AGAIN = 3


class Tally:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def report(self):
        """Print the line. Returns whether nothing failed."""
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped", flush=True)
        return self.failed == 0
