"""How the record of decisions looks in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runtime.audit import Record
from runtime.audit.record import Candidate, Result
from runtime.audit.replay import Difference
from runtime.audit.verify import Finding, Verdict

if TYPE_CHECKING:
    from runtime.gateway.story.again import Again

_SHOWN = 10


def verdict(found: Verdict, *, trusted: bool) -> RenderableType:
    """What `fabula audit verify` found."""
    lines = [_summary(found)]
    if found.removed:
        lines.append(
            Text(f"entries before {found.removed} were removed by policy, on record", "dim")
        )
    unsigned = found.size - found.signed
    if found.checkpoints and unsigned > 0 and not found.findings:
        lines.append(Text(f"{unsigned} entries came after the last checkpoint", "dim"))
    if found.key:
        origin = "" if trusted else ", taken from the folder itself: give --key to trust another"
        lines.append(Text(f"key {found.key}{origin}", "dim"))
    if not found.checkpoints and not found.findings:
        lines.append(
            Text("nothing is signed here: only checksums and order were checked", "yellow")
        )
    return Group(*lines, *_findings(found))


def _summary(found: Verdict) -> Text:
    if not found.findings:
        return Text(
            f"✔ {found.entries:,} entries are what was written; "
            f"{found.checkpoints} checkpoints hold, the last over {found.signed:,}",
            "green",
        )
    count = len(found.findings)
    return Text(f"✘ {count} finding{'s' if count > 1 else ''}; the first bad one:", "bold red")


def _findings(found: Verdict) -> list[Text]:
    first = found.first
    if first is None:
        return []
    others = [each for each in found.findings if each is not first]
    lines = [Text(f"  {first}", "red"), *(Text(f"  {each}", "dim") for each in others[:_SHOWN])]
    if len(others) > _SHOWN:
        lines.append(Text(f"  and {len(others) - _SHOWN} more", "dim"))
    return lines


def as_document(found: Verdict) -> dict[str, Any]:
    """The same for programs."""
    return {
        "good": not found.findings,
        "entries": found.entries,
        "size": found.size,
        "signed": found.signed,
        "removedBefore": found.removed,
        "checkpoints": found.checkpoints,
        "key": found.key,
        "first": _document(found.first) if found.first else None,
        "findings": [_document(each) for each in found.findings],
    }


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "what": finding.what,
        "number": finding.number,
        "entry": finding.entry,
        "file": finding.file,
        "offset": finding.offset,
    }


def found(records: Sequence[Record], upto: int, *, has_keys: bool) -> RenderableType:
    """What `fabula audit search` found."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "time", "player", "outcome", "question", "decision"):
        table.add_column(name, no_wrap=name in ("id", "time"), overflow="fold")
    for record in records:
        table.add_row(
            Text(record.id, "cyan"),
            Text(record.time, "dim"),
            Text(record.player or ""),
            Text(record.result.outcome),
            Text(record.question, "italic"),
            Text(record.result.decision, "bold"),
        )
    told = f"{len(records)} found; entries before {upto} were searched"
    if not has_keys:
        told += "; the keys of the players are not beside this log: words are not shown"
    return Group(table, Text(told, "dim")) if records else Text(told, "dim")


def replayed(record: Record, differences: Sequence[Difference]) -> RenderableType:
    """What `fabula audit replay` counted."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("member", "weight", "ballot", "answer", "lost"):
        table.add_column(name, overflow="fold")
    for candidate in record.candidates:
        table.add_row(*_row(candidate))
    lines: list[RenderableType] = [table]
    if not differences:
        lines.append(
            Text(
                f"✔ counted again, it is exactly the same: {record.result.decision} "
                f"({record.result.outcome}, confidence {record.result.confidence})",
                "green",
            )
        )
        return Group(*lines)
    lines.append(Text("✘ counted again, it is not the same:", "bold red"))
    changes = Table(box=None, padding=(0, 2, 0, 2))
    for name in ("field", "recorded", "counted"):
        changes.add_column(name, overflow="fold")
    for each in differences:
        changes.add_row(Text(each.field), Text(str(each.recorded)), Text(str(each.counted), "red"))
    return Group(*lines, changes)


def asked_again(record: Record, again: Sequence["Again"], result: Result) -> RenderableType:
    """What the models said when they were asked once more."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("member", "then", "now", "", "what differs"):
        table.add_column(name, overflow="fold")
    for each in again:
        table.add_row(
            Text(each.then.member, "cyan"),
            _said(each.then),
            Text("not asked", "dim") if each.now is None else _said(each.now),
            Text("same", "green") if each.same else Text("differs", "yellow"),
            Text("; ".join(each.differs), "dim"),
        )
    same = result.decision == record.result.decision
    told = f"asked again, it would be: {result.decision} ({result.outcome})"
    then = "" if same else f"; it was: {record.result.decision}"
    return Group(Text(), table, Text(told + then, "green" if same else "yellow"))


def _said(candidate: Candidate) -> Text:
    if candidate.answer is not None:
        return Text(candidate.answer)
    return Text(candidate.error or candidate.state, "dim")


def _row(candidate: Candidate) -> list[Text]:
    return [
        Text(candidate.member, "cyan"),
        Text(str(candidate.weight), "dim"),
        Text("" if candidate.ballot is None else str(candidate.ballot)),
        Text(candidate.answer or candidate.error or "", "" if candidate.answer else "red"),
        Text(candidate.lost or "", "dim"),
    ]
