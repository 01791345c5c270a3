"""How a decision looks in a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

#: One colour a voice, in the order of the ensemble.
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")
_OUTCOMES = {
    "Vote": "by vote",
    "Judged": "picked by its judge",
    "Fused": "written from what all of them said",
    "BestMember": "by its best member: too few answered for a vote",
    "Fallback": "by the declared fallback: nobody answered",
    "Abstained": "so it abstains, and the fallback is told: too little weight agreed",
}
_BAR = 20


def opening(title: str, lines: list[str]) -> RenderableType:
    """Before the first question."""
    return Panel("\n".join(lines), title=f"[bold]{title}", border_style="dim", padding=(0, 2))


def question(number: int, text: str) -> RenderableType:
    """What is asked."""
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_row(Text(str(number), "dim"), Text(text, "italic"))
    return Padding(row, (1, 0, 0, 0))


def decision(told: dict[str, Any], *, prose: bool) -> RenderableType:
    """Who said what, and what came of it."""
    parts: list[RenderableType] = [Padding(_votes(told["votes"], prose=prose), (1, 0, 1, 3))]
    text = told.get("text")
    parts.append(Padding(Text(f"➜  {told['decision']}", "bold"), (0, 0, 0, 3)))
    if text and text != told["decision"]:
        parts.append(Padding(Text(text, "italic"), (0, 0, 0, 6)))
    parts.append(Padding(_measure(told), (0, 0, 0, 6)))
    if not prose:
        parts.extend(
            Padding(
                Text(f"{_names(other['members'])} would rather: {other['answer']}", "dim"),
                (0, 0, 0, 6),
            )
            for other in told["dissent"]
        )
    return Group(*parts)


def _votes(votes: list[dict[str, Any]], *, prose: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for vote, colour in zip(votes, _COLOURS * 3, strict=False):
        if vote.get("answer") is not None:
            said = Text(vote["answer"], "dim" if prose else "")
        elif vote.get("error"):
            said = Text(vote["error"], "red")
        else:
            said = Text("not needed any more", "dim")
        table.add_row(
            Text(vote["member"], colour),
            Text(f"weight {vote['weight']}", "dim"),
            Text(f"{vote['latencyMs'] / 1000:.1f} s", "dim"),
            said,
        )
    return table


def _measure(told: dict[str, Any]) -> Text:
    filled = round(told["confidence"] * _BAR)
    return Text.assemble(
        ("█" * filled, "green"),
        ("░" * (_BAR - filled), "dim"),
        (f" {told['confidence']:.0%} of all weight, {_OUTCOMES[told['outcome']]}", "dim"),
        (", told before" if told.get("cached") else "", "dim"),
        (f"   {told['id']}", "dim"),
    )


def _names(members: list[str]) -> str:
    return " and ".join(members)
