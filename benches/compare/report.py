"""Sections as Markdown tables, aligned so that they read well in a terminal too."""

from dataclasses import dataclass

from measure import Result
from sections import Bar, Section

MEGABYTE = 1e6
MEBIBYTE = 1 << 20
QUANTITY_NAMES = {"wall_s": "wall", "written_bytes": "stored bytes", "peak_bytes": "largest peak of all commands"}


@dataclass(frozen=True)
class Judgement:
    """A bar with what was measured; `met` is None where it could not be."""

    source: str
    subject: str
    quantity: str
    limit: str
    actual: str
    met: bool | None


def table(headings: list[str], rows: list[list[str]], text_columns: int = 1) -> str:
    """A Markdown table; the first columns are text, the rest is right-aligned."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]

    def line(row: list[str]) -> str:
        cells = [
            cell.ljust(width) if column < text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * width if column < text_columns else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(headings), line(rule), *map(line, rows)])


def _duration(seconds: float, in_milliseconds: bool) -> str:
    return f"{seconds * 1e3:.1f}" if in_milliseconds else f"{seconds:.3f}"


def _ratio(numerator: Result | None, denominator: Result, quantity: str) -> str:
    if numerator is None or not numerator.measured or numerator is denominator:
        return ""
    above, below = getattr(numerator, quantity), getattr(denominator, quantity)
    return f"{above / below:.2f}" if above is not None and below else ""


def section_table(section: Section) -> str:
    """One line per command, dotctl first."""
    unit = "ms" if section.in_milliseconds else "s"
    first = section.results[0] if section.results else None
    has_peers = any(not result.name.startswith("dotctl") for result in section.results) and not section.in_milliseconds
    has_output = any(result.written_bytes is not None for result in section.results)
    has_rate = not section.in_milliseconds
    headings = ["Command", f"Wall {unit}", "Min–max", f"CPU {unit}", "Peak MiB"]
    headings += ["MB/s"] if has_rate else []
    headings += ["Written MB"] if has_output else []
    headings += ["dotctl ÷ it"] if has_peers else []
    headings += ["Size ÷"] if has_peers and has_output else []
    rows = []
    for result in section.results:
        if not result.measured:
            rows.append([f"{result.name}: failed", *([""] * (len(headings) - 1))])
            continue
        low, high = result.wall_range_s
        row = [
            result.name,
            _duration(result.wall_s, section.in_milliseconds),
            f"{_duration(low, section.in_milliseconds)}–{_duration(high, section.in_milliseconds)}",
            _duration(result.processor_s, section.in_milliseconds),
            f"{result.peak_bytes / MEBIBYTE:.0f}",
        ]
        row += [f"{section.source.raw_bytes / MEGABYTE / result.wall_s:.0f}"] if has_rate else []
        if has_output:
            row.append("" if result.written_bytes is None else f"{result.written_bytes / MEGABYTE:.1f}")
        is_peer = not result.name.startswith("dotctl")
        row += [_ratio(first, result, "wall_s") if is_peer else ""] if has_peers else []
        row += [_ratio(first, result, "written_bytes") if is_peer else ""] if has_peers and has_output else []
        rows.append(row)
    return table(headings, rows)


def judge(sections: list[Section]) -> list[Judgement]:
    """Each section's bars, then the memory bar for dotctl's largest command of each source."""
    judgements = [_judge_bar(section, bar) for section in sections for bar in section.bars]
    largest: dict[tuple[str, int], tuple[Section, Result]] = {}
    for section in sections:
        for result in section.results:
            # Replays have a bar of their own.
            if section.name == "replay" or not (result.measured and result.name.startswith("dotctl")):
                continue
            place = section.source.name, section.peak_limit_bytes
            known = largest.get(place)
            if known is None or result.peak_bytes > known[1].peak_bytes:
                largest[place] = section, result
    for section, result in largest.values():
        judgements.append(_judge_bar(section, Bar(result.name, "peak_bytes", section.peak_limit_bytes)))
    return judgements


def _judge_bar(section: Section, bar: Bar) -> Judgement:
    quantity = QUANTITY_NAMES[bar.quantity]
    subject = section.result(bar.subject)
    if bar.reference is None:
        if bar.quantity == "peak_bytes":
            limit, scale, unit = f"≤ {bar.limit / MEBIBYTE:.0f} MiB", MEBIBYTE, "MiB"
        else:
            limit, scale, unit = f"≤ {bar.limit * 1e3:.0f} ms", 1e-3, "ms"
        actual = None if subject is None else getattr(subject, bar.quantity)
        shown = "not measured" if actual is None else f"{actual / scale:.1f} {unit}"
    else:
        limit = f"≤ {bar.limit:.1f} × {bar.reference}"
        reference = section.result(bar.reference)
        actual = None
        if subject is not None and reference is not None:
            actual = getattr(subject, bar.quantity) / getattr(reference, bar.quantity)
        shown = "not measured" if actual is None else f"{actual:.2f}"
    met = None if actual is None else actual <= bar.limit
    return Judgement(section.source.name, bar.subject, quantity, limit, shown, met)


def judgement_table(judgements: list[Judgement]) -> str:
    """All bars with what was measured."""
    words = {True: "met", False: "MISSED", None: "–"}
    rows = [
        [f"{one.subject} ({one.source}), {one.quantity}", one.limit, one.actual, words[one.met]] for one in judgements
    ]
    return table(["What", "Bar", "Measured", "Met"], rows)


def section_text(section: Section) -> str:
    """A section as it stands in the report."""
    parts = [f"### {section.title[0].upper()}{section.title[1:]}", section_table(section)]
    if section.checks:
        lines = [
            f"- {'holds' if check.holds else 'DOES NOT HOLD'}: {check.claim}"
            + (f" ({check.detail})" if check.detail else "")
            for check in section.checks
        ]
        parts.append("\n".join(lines))
    parts += section.notes
    parts += [" ".join(result.failure.split()) for result in section.results if result.failure]
    return "\n\n".join(parts)
