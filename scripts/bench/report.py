# SPDX-License-Identifier: GPL-2.0
"""What was measured, as tables, as JSON and as a chart, and what of the targets was met."""

import json
import os
import statistics
import sys

from . import chart
from .model import ALL, INSTRUCTIONS, Target

NAMES = {
    "disk": "disk", "raw": "raw", "dm": "dm-linear", "c": "C loop", "rublk": "rublk", "ours": "this", "pinned": "pinned",
}  # fmt: skip
COLUMN = 11
NOT_WORSE = Target("c", 1.0)


def progress(result):
    """One line a measurement, while they are made."""
    numbers = result.get("error") or ", ".join(
        f"{name} {value:,.6g}" for name, value in result.items() if isinstance(value, float)
    )
    print(f"  {result['case']:26} {NAMES[result['neighbour']]:10} {numbers}", file=sys.stderr, flush=True)


def figure(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


class Row:
    """A case with its measurements: for each neighbour a value a round."""

    def __init__(self, case, results):
        self.case = case
        self.values = {name: {} for name in case.neighbours}
        for result in results:
            if result["case"] == case.name and case.metric.field in result:
                value = case.metric.convert(result[case.metric.field])
                self.values[result["neighbour"]][result["round"]] = value

    def median(self, neighbour):
        values = self.values.get(neighbour)
        return statistics.median(values.values()) if values else None

    def ratios(self, target, rows):
        """The subject's values by a neighbour's, round by round."""
        values = rows[target.case].values if target.case else self.values
        mine, others = self.values.get(target.subject, {}), values.get(target.neighbour, {})
        return [mine[turn] / others[turn] for turn in sorted(mine.keys() & others.keys())]


class Verdict:
    """A target, what was reached, and whether that does."""

    def __init__(self, row, target, rows):
        metric = row.case.metric
        self.met = None
        better = "≤" if metric.lower_is_better else "≥"
        if target.kind == "absolute":
            self.wanted = f"{better} {target.limit:,g} {metric.unit}"
            ours = row.median(target.subject)
            if ours is not None:
                self.reached = figure(ours)
                self.met = ours <= target.limit if metric.lower_is_better else ours >= target.limit
            return
        neighbour = NAMES[target.neighbour] if not target.case else f"this in {target.case}"
        self.wanted = f"{better} {target.limit:g} × {neighbour}"
        if target.subject != "ours":
            self.wanted = f"{NAMES[target.subject]} {self.wanted}"
        if target.kind == "difference":
            self.wanted = f"{'' if target.subject == 'ours' else NAMES[target.subject] + ' '}≤ {neighbour} + {target.limit:,g}"
            ours, other = row.median(target.subject), row.median(target.neighbour)
            if ours is None or other is None:
                return
            self.reached = f"+ {figure(ours - other)}"
            self.met = ours - other <= target.limit
            return
        if target.case and target.case not in rows:
            return
        ratios = row.ratios(target, rows)
        if not ratios:
            return
        ratio = statistics.median(ratios)
        self.reached = f"{ratio:.2f}"
        if len(ratios) > 2:
            self.reached += f" ({min(ratios):.2f} to {max(ratios):.2f})"
        self.met = ratio <= target.limit if metric.lower_is_better else ratio >= target.limit


class Report:
    def __init__(self, head, cases, results):
        self.head, self.results = head, results
        self.rows = {case.name: Row(case, results) for case in cases}
        self.verdicts = {}
        for name, row in self.rows.items():
            targets = list(row.case.targets)
            if not any(target.neighbour == "c" for target in targets):
                targets.append(NOT_WORSE)
            found = [Verdict(row, target, self.rows) for target in targets]
            self.verdicts[name] = [verdict for verdict in found if verdict.met is not None]

    def print(self):
        print(", ".join(f"{name} {value}" for name, value in self.head.items()))
        for instrument in dict.fromkeys(row.case.instrument for row in self.rows.values()):
            print(f"\n{self.explain(instrument)}")
            rows = [row for row in self.rows.values() if row.case.instrument == instrument]
            width = max(len(row.case.name) for row in rows)
            print(f"{'':{width}}  " + "".join(f"{NAMES[name]:>{COLUMN}}" for name in ALL) + "  unit")
            for row in rows:
                cells = "".join(f"{self.cell(row, name):>{COLUMN}}" for name in ALL)
                print(f"{row.case.name:{width}}  {cells}  {row.case.metric.unit}")
        print("\ntargets")
        width = max(len(name) for name in self.rows)
        for name, verdicts in self.verdicts.items():
            for verdict in verdicts:
                word = "target met" if verdict.met else "target NOT met"
                print(f"{name:{width}}  {word:14}  {verdict.wanted:24}  {verdict.reached}")
        met = [verdict.met for verdicts in self.verdicts.values() for verdict in verdicts]
        print(f"{met.count(True)} targets met, {met.count(False)} not met", flush=True)

    def markdown(self):
        """The tables as the README has them."""
        lines = []
        for instrument in dict.fromkeys(row.case.instrument for row in self.rows.values()):
            lines += ["", self.explain(instrument)[0].upper() + self.explain(instrument)[1:] + ":", ""]
            lines.append("| | " + " | ".join(NAMES[name] for name in ALL) + " | | target |")
            lines.append("|---|" + "---:|" * len(ALL) + "---|---|")
            for row in self.rows.values():
                if row.case.instrument != instrument:
                    continue
                cells = " | ".join(self.cell(row, name) for name in ALL)
                targets = "; ".join(
                    f"{verdict.wanted}: {verdict.reached}" + ("" if verdict.met else " **no**")
                    for verdict in self.verdicts[row.case.name]
                )
                lines.append(f"| {row.case.title} (`{row.case.name}`) | {cells} | {row.case.metric.unit} | {targets} |")
        return "\n".join(lines[1:]) + "\n"

    @staticmethod
    def explain(instrument):
        if instrument == INSTRUCTIONS:
            return "by the guest's instructions (fewer is better)"
        return "by the clock, 4 CPUs (only the ratios within a line mean something)"

    def cell(self, row, neighbour):
        value = row.median(neighbour)
        return "" if value is None else figure(value)

    def save(self, where):
        os.makedirs(os.path.dirname(where), exist_ok=True)
        cases = []
        for name, row in self.rows.items():
            cases.append({
                "name": name,
                "title": row.case.title,
                "instrument": row.case.instrument,
                "metric": row.case.metric.name,
                "unit": row.case.metric.unit,
                "lower_is_better": row.case.metric.lower_is_better,
                "medians": {neighbour: row.median(neighbour) for neighbour in row.values if row.values[neighbour]},
                "targets": [vars(verdict) for verdict in self.verdicts[name]],
            })  # fmt: skip
        with open(where + ".json", "w") as file:
            json.dump({"about": self.head, "cases": cases, "measurements": self.results}, file, indent=1)
        with open(where + ".md", "w") as file:
            file.write(self.markdown())
        with open(where + ".svg", "w") as file:
            file.write(chart.draw(self.head, cases))
