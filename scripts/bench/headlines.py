# SPDX-License-Identifier: GPL-2.0
"""The chart on the first page, from the tables in doc/results/: this driver beside the C driver."""

import re

from .chart import STYLE, text

WIDTH, LEFT, RIGHT, ROW, BAR = 760, 330, 130, 26, 13
# The end of the scale, in multiples of the C driver's figure.
LONGEST = 4.0
MORE = {
    "wall-device-randread": "block device, 4 jobs of random reads",
    "wall-device-latency": "block device, one read at a time",
    "wall-fs-on-fs": "ext4 in a file on ext4, 12 mixed jobs",
    "wall-cold": "page cache, cold, random reads",
    "wall-cgroup-randwrite": "page cache, random writes in a cgroup",
    "wall-fsync-direct-1": "fsync after each write, direct I/O",
    "wall-fsync-buffered-1": "fsync after each write, page cache",
}
LESS = {
    "device-randread-64": "block device, random reads",
    "ext4-randread-64": "ext4 file, direct, random reads",
    "pinned-randread": "ext4 file, pinned, random reads",
}


def figures(path):
    """By case: the figures of its table's columns; and of the ratios to C the median and the range, if they are there."""
    columns, found = [], {}
    with open(path) as table:
        for line in table:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|") or len(cells) < 3:
                continue
            if not cells[0]:
                columns = cells
            elif name := re.search(r"\(`([\w-]+)`\)$", cells[0]):
                values = {
                    column: float(cell.replace(",", ""))
                    for column, cell in zip(columns, cells)
                    if re.fullmatch(r"[\d,.]+", cell)
                }
                ratios = re.search(r" × C loop: ([\d.]+) \(([\d.]+) to ([\d.]+)\)", cells[-1])
                found[name[1]] = values, ratios and [float(ratio) for ratio in ratios.groups()]
    return found


def bars(found, cases, column, y):
    """A group of bars, from y on. Returns the drawing, and where it ends."""
    scale = (WIDTH - LEFT - RIGHT) / LONGEST
    parts = []
    for name, title in cases.items():
        values, ratios = found[name]
        ratio = ratios[0] if ratios else values[column(name)] / values["C loop"]
        length = min(ratio, LONGEST) * scale
        parts.append(text(LEFT - 10, y + 11, title, anchor="end"))
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" class="ours"/>')
        end = length
        if ratios and ratios[1] < LONGEST:
            first, last = (min(ratio, LONGEST) * scale for ratio in ratios[1:])
            middle = y + BAR / 2
            parts.append(f'<path d="M{LEFT + first:.1f} {middle}H{LEFT + last:.1f}" class="range"/>')
            end = max(length, last)
        words = f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.0f} ×"
        parts.append(text(LEFT + end + 6, y + 11, words + ("  (cut)" if ratio > LONGEST else "")))
        y += ROW
    return parts, y


def draw(results):
    clock = figures(f"{results}/clock.md")
    instructions = figures(f"{results}/instructions.md")
    one = LEFT + (WIDTH - LEFT - RIGHT) / LONGEST
    head = 56
    more, y = bars(clock, MORE, lambda name: "this", head + 24)
    section = y + 18
    less, y = bars(instructions, LESS, lambda name: "pinned" if name.startswith("pinned") else "this", section + 14)
    style = STYLE + ".range { stroke: #1f2328; } @media (prefers-color-scheme: dark) { .range { stroke: #f0f6fc; } }"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 8}" viewBox="0 0 {WIDTH} {y + 8}">',
        f"<style>{style}</style>",
        '<rect width="100%" height="100%" rx="6" class="page"/>',
        text(10, 24, "This driver beside the C driver, which is 1 ×", "title"),
        text(10, 40, "4 KiB each; bars are medians, thin lines the range of the rounds", "small"),
        text(10, head + 12, "Operations a second: longer is better", "section"),
        *more,
        text(10, section, "Instructions for each operation: shorter is better", "section"),
        *less,
        f'<line x1="{one:.0f}" y1="{head + 18}" x2="{one:.0f}" y2="{y}" class="line"/>',
        "</svg>",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    with open("doc/headlines.svg", "w") as chart:
        chart.write(draw("doc/results"))
