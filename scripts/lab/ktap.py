# SPDX-License-Identifier: GPL-2.0
"""Results of kselftests, read from the KTAP that run_kselftest.sh prints."""

import re

RESULT = re.compile(r"^(not )?ok \d+ selftests: loop: (\S+?)(?:\.sh)?(?: # (.*))?$")
START = re.compile(r"^# selftests: loop: (\S+?)(?:\.sh)?$")


class Result:
    """Of one test: outcome is pass, fail or skip; detail says why; log is what it printed."""

    def __init__(self, name, outcome, detail, log):
        self.name, self.outcome, self.detail, self.log = name, outcome, detail, log


class Parser:
    """Takes lines as they come; `results` by test, `running` the one without a result yet."""

    def __init__(self):
        self.results = {}
        self.running = None
        self.log = []

    def feed(self, line):
        """Take a line; returns the Result if it ends a test."""
        if start := START.match(line):
            self.running, self.log = start[1], []
        elif found := RESULT.match(line):
            failed, name, directive = found[1], found[2], found[3] or ""
            outcome = "fail" if failed else "skip" if directive.startswith("SKIP") else "pass"
            detail = directive if outcome == "fail" else ""
            if outcome != "pass" and self.log:
                detail = self.log[-1].removeprefix(f"{name}: ") + (f" ({detail})" if detail else "")
            result = self.results[name] = Result(name, outcome, detail, self.log)
            self.running, self.log = None, []
            return result
        elif line.startswith("# ") and self.running:
            self.log.append(line[2:])
        return None
