"""One SVG per figure: horizontal bars with their values, whiskers from the least to the most.

Drawn by hand: no library, text stays text, and the colours follow the reader's light or dark
setting on a background of their own.
"""

import xml.sax.saxutils

from . import figures

WIDTH = 860
LABEL_WIDTH = 250
VALUE_WIDTH = 110
BAR, GAP = 20, 8
PANEL_HEAD = 40
TOP = 64

STYLE = """
  .back { fill: #ffffff } text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 18px; font-weight: 600 } .note, .unit { fill: #59636e; font-size: 13px }
  .peer { fill: #8c959f } .ours { fill: #1f6feb } .axis { stroke: #8c959f }
  .whisker { stroke: #1f2328; stroke-width: 1.5 } .mine { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117 } text { fill: #e6edf3 } .note, .unit { fill: #9198a1 }
    .peer { fill: #6e7681 } .ours { fill: #4493f8 } .whisker { stroke: #e6edf3 }
  }
"""


def _text(x, y, words, css="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">'
            f"{xml.sax.saxutils.escape(words)}</text>")


def _bar(y, peer, series, value, scale):
    """One row: name, bar, whisker, value."""
    median, least, most = value
    left, middle = LABEL_WIDTH, y + BAR / 2
    length = max(median, 0) * scale
    ends = [left + max(v, 0) * scale for v in (least, most)]
    css = "ours" if peer.ours else "peer"
    parts = [_text(left - 10, y + 15, peer.label, "mine" if peer.ours else "", "end"),
             f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{BAR}" class="{css}" '
             'rx="2"/>']
    if most > least:
        parts.append(f'<path class="whisker" fill="none" d="M{ends[0]:.1f} {middle - 5}v10m0 -5'
                     f'H{ends[1]:.1f}m0 -5v10"/>')
    parts.append(_text(max(left + length, ends[1]) + 8, y + 15, series.text(median),
                       "mine" if peer.ours else ""))
    return parts


def _panel(y, series, peers_shown, summary):
    values = {p.name: series.of(summary, p.name) for p in peers_shown}
    present = [p for p in peers_shown if values[p.name]]
    if not present:
        return [], y
    most = max(values[p.name][2] for p in present)
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most if most > 0 else 0
    parts = [_text(20, y + 18, series.title, "mine"),
             _text(LABEL_WIDTH, y + 18, f"{series.unit} ({series.better} is better)", "unit")]
    y += PANEL_HEAD - 10
    top = y
    for peer in present:
        parts += _bar(y, peer, series, values[peer.name], scale)
        y += BAR + GAP
    parts.append(f'<path class="axis" d="M{LABEL_WIDTH} {top - 4}V{y - 4}"/>')
    return parts, y + 12


def draw(figure, summary):
    """The drawing, or None when there is nothing to draw."""
    peers_shown = figures.rows(figure, summary)
    if not peers_shown:
        return None
    parts = [_text(20, 30, figure.title, "title"), _text(20, 51, figure.note, "note")]
    y = TOP
    for series in figure.series:
        panel, y = _panel(y, series, peers_shown, summary)
        parts += panel
    body = "\n".join(parts)
    title = xml.sax.saxutils.escape(figure.title)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
            f'viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{title}">\n'
            f"<title>{title}</title>\n<style>{STYLE}</style>\n"
            f'<rect class="back" width="{WIDTH}" height="{y}"/>\n{body}\n</svg>\n')


def write_all(results, folder):
    """Writes the figures that have data, removes those that no longer have; their names."""
    drawn = []
    for figure in figures.ALL:
        text = draw(figure, results["summary"].get(figure.kind, {}))
        file = folder / f"{figure.name}.svg"
        if text:
            file.write_text(text, encoding="utf-8")
            drawn.append(figure.name)
        else:
            file.unlink(missing_ok=True)
    return drawn
