"""The results: as a table for the terminal, as Markdown, and as a chart."""

from dataclasses import replace
from html import escape

PEERS = ("rclone", "rclone 16", "httpdirfs", "reelfs")
MIB = 1 << 20
BEGIN, END = "<!-- scripts/bench writes from here -->", "<!-- to here -->"


def number(value):
    """Three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def cell_text(row, cell):
    if cell is None:
        return ""
    if not cell.values:
        return f"failed: {cell.failed}" if cell.failed else ""
    parts = [f"{number(cell.value)} {row.unit}"]
    if cell.requests:
        requests = "request" if cell.requests == 1 else "requests"
        parts.append(f"{cell.requests:,} {requests}, {cell.moved / MIB:.1f} MiB")
    elif cell.requests == 0:
        parts.append("no request")
    return "; ".join(parts)


def verdict_text(row):
    if not row.verdicts:
        return "not measured" if row.target else "stated"
    return "; ".join(f"{text} ({'reached' if holds else 'NOT reached'})" for text, holds in row.verdicts)


def terminal(row):
    """A row as it is printed when it has been measured."""
    lines = [f"{row.title}   [{row.key}]"]
    lines += [f"    {name:16} {cell_text(row, cell)}" for name, cell in row.cells.items()]
    lines += [f"    target           {row.target}", f"    result           {verdict_text(row)}"]
    if row.note and row.cells:
        lines.append(f"    note             {row.note}")
    return "\n".join(lines)


def markdown(rows):
    """One line a row. What is no peer (a raw client, curl, a local file) shares a column."""
    lines = [
        "| work | without a mount | rclone | rclone, 16 streams | httpdirfs | **reelfs** | target | result |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        others = [f"{n}: {cell_text(row, c)}" for n, c in row.cells.items() if n not in PEERS]
        peers = [cell_text(row, row.cells.get(name)) for name in PEERS]
        peers[-1] = f"**{peers[-1]}**" if peers[-1] else ""
        cells = [row.title, "<br>".join(others), *peers, row.target, verdict_text(row)]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"- {row.title}: {row.note}." for row in rows if row.note and row.cells]
    return "\n".join([*lines, "", *notes, ""])


def write(path, table):
    """Puts the table between the marks of a document, or makes a document of it."""
    before, after = "", ""
    if path.exists():
        text = path.read_text()
        if BEGIN in text and END in text:
            before, after = text.split(BEGIN)[0] + BEGIN + "\n\n", "\n" + END + text.split(END)[1]
    path.write_text(before + table + after)


STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .hint { fill: #59636e }
  .bar { fill: #8c959f } .own { fill: #0969da } .ground { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .hint { fill: #9198a1 }
    .bar { fill: #656c76 } .own { fill: #4493f8 } .ground { fill: #0d1117 }
  }
"""
WIDTH, LABELS, VALUES, LINE, BAR = 860, 130, 250, 20, 13


# What people wait for, and what they would use instead.
HEADLINES = {"far-read-16": "one recording of 200 MB", "ls-l": "ls -l of 1,000 logs", "grep": "that, and grep -r over them",
             "rsync": "rsync -a of 1,000 logs"}


def headline(rows):
    """A chart of a few rows, with the programs that mount alone: for readers who have a minute."""
    chosen = []
    for row in rows:
        if title := HEADLINES.get(row.key):
            cells = {name: cell for name, cell in row.cells.items() if name in PEERS}
            chosen.append(replace(row, title=title, cells=cells))
    return svg(chosen)


def svg(rows):
    """A chart a row, with a bar a program. Bars share a scale within a row only."""
    body, y = [], 10
    for row in rows:
        cells = {name: cell for name, cell in row.cells.items() if cell.values}
        if len(cells) < 2:
            continue
        y += LINE
        better = "more is better" if row.more_is_better else "less is better"
        body.append(
            f'<text x="12" y="{y}"><tspan class="title">{escape(row.title)}</tspan>'
            f'<tspan class="hint" dx="8">{better}</tspan></text>'
        )
        longest = max(cell.value for cell in cells.values())
        for name, cell in cells.items():
            y += LINE
            length = max(2, (WIDTH - LABELS - VALUES) * cell.value / longest)
            kind = "own" if name == "reelfs" else "bar"
            body.append(
                f'<text x="{LABELS - 8}" y="{y}" text-anchor="end">{escape(name)}</text>'
                f'<rect class="{kind}" x="{LABELS}" y="{y - BAR + 2}" width="{length:.1f}" height="{BAR}" rx="2"/>'
                f'<text x="{LABELS + length + 8:.1f}" y="{y}">{escape(cell_text(row, cell))}</text>'
            )
        y += LINE // 2
    height = y + LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="reelfs and its peers, row by row">\n'
        f"<style>{STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>\n' + "\n".join(body) + "\n</svg>\n"
    )
