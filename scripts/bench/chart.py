# SPDX-License-Identifier: GPL-2.0
"""The bench's chart: for each case a group of bars, one for each neighbour.

Units differ from case to case, so a group's bars are drawn as multiples of the
C driver's figure, which the line through all groups marks; the figure itself
is written at each bar. Colours and contrast suit light and dark pages.
"""

from xml.sax.saxutils import escape

from .model import ALL, INSTRUCTIONS

WIDTH = 860
LEFT, RIGHT = 350, 90
BAR, GAP, GROUP_GAP, HEAD = 11, 2, 12, 84
SECTION = 34
# Bars that are longer are cut, and say so with their figure.
LONGEST = 2.0

NAMES = {
    "disk": "the disk below", "raw": "raw", "dm": "dm-linear", "c": "C loop", "rublk": "rublk (ublk)", "ours": "this driver",
    "pinned": "this driver, pinned",
}  # fmt: skip
STYLE = """
.page { fill: #ffffff; }
text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.section { font-weight: 600; }
.small { font-size: 10px; fill: #59636e; }
.line { stroke: #59636e; stroke-dasharray: 3 3; }
.disk { fill: #d8dee4; } .raw { fill: #b6bec8; } .dm { fill: #8c959f; } .pinned { fill: #a40e26; } .c { fill: #0969da; } .rublk { fill: #bf8700; } .ours { fill: #cf4a26; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; } text { fill: #f0f6fc; } .small { fill: #9198a1; } .line { stroke: #9198a1; }
  .disk { fill: #3d444d; } .raw { fill: #59636e; } .dm { fill: #848d97; } .pinned { fill: #ffa198; } .c { fill: #4493f8; } .rublk { fill: #d29922; } .ours { fill: #f78166; }
}
"""


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def wrapped(words, width=54):
    """In two lines at most, broken at a comma if there is one in reach."""
    if len(words) <= width:
        return [words]
    cut = words.rfind(", ", 0, width) + 1 or words.rfind(" ", 0, width)
    return [words[:cut].strip(), words[cut:].strip()]


def group(case, y):
    """One case's bars, from y on. Returns the drawing and its height."""
    medians = [(name, case["medians"][name]) for name in ALL if name in case["medians"]]
    height = max(len(medians) * (BAR + GAP), 30)
    scale = (WIDTH - LEFT - RIGHT) / LONGEST
    parts = []
    for line, words in enumerate(wrapped(case["title"])):
        parts.append(text(LEFT - 10, y + 10 + 13 * line, words, anchor="end"))
    lines = len(wrapped(case["title"]))
    arrow = "less" if case["lower_is_better"] else "more"
    parts.append(text(LEFT - 10, y + 10 + 13 * lines, f"{case['unit']}, {arrow} is better", "small", "end"))
    for row, (name, value) in enumerate(medians):
        ratio = value / case["medians"]["c"]
        top = y + row * (BAR + GAP)
        length = max(min(ratio, LONGEST) * scale, 1)
        hint = f"{NAMES[name]}: {number(value)} {case['unit']}, {ratio:.2f} × C"
        parts.append(
            f'<rect x="{LEFT}" y="{top:.0f}" width="{length:.1f}" height="{BAR}" class="{name}">'
            f"<title>{escape(hint)}</title></rect>"
        )
        cut = "≫ " if ratio > LONGEST else ""
        parts.append(text(LEFT + length + 4, top + BAR - 2, cut + number(value), "small"))
    return parts, max(height, 13 * (lines + 1))


def draw(head, cases):
    """The chart of all cases in which the C driver was measured."""
    cases = [case for case in cases if case["medians"].get("c")]
    one = LEFT + (WIDTH - LEFT - RIGHT) / LONGEST
    parts, y = [], HEAD
    for instrument in dict.fromkeys(case["instrument"] for case in cases):
        what = "guest instructions, 1 CPU" if instrument == INSTRUCTIONS else "by the clock, 4 CPUs"
        parts.append(text(10, y + 12, what, "section"))
        y += SECTION
        for case in cases:
            if case["instrument"] == instrument:
                drawing, height = group(case, y)
                parts += drawing
                y += height + GROUP_GAP
    legend, x = [], 10
    for name in ALL:
        if any(name in case["medians"] for case in cases):
            legend.append(f'<rect x="{x}" y="44" width="{BAR}" height="{BAR}" class="{name}"/>')
            legend.append(text(x + BAR + 4, 54, NAMES[name]))
            x += 30 + 7 * len(NAMES[name])
    about = f"Linux {head['kernel']}, {head['date']}, {head['commit']}; bars are multiples of C loop's figure"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 10:.0f}" viewBox="0 0 {WIDTH} {y + 10:.0f}">',
        f"<style>{STYLE}</style>",
        '<rect width="100%" height="100%" rx="6" class="page"/>',
        text(10, 22, "What a loop device costs", "title"),
        text(10, 38, about, "small"),
        *legend,
        f'<line x1="{one:.0f}" y1="{HEAD - 10}" x2="{one:.0f}" y2="{y:.0f}" class="line"/>',
        text(one, HEAD - 14, "C loop", "small", "middle"),
        *parts,
        "</svg>",
        "",
    ])  # fmt: skip
