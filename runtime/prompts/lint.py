"""What is wrong with a template before a player meets it: read as code, and rendered with a scene
in which every word is marked."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import meta

from runtime.prompts.template import ENVIRONMENT, Template, TemplateError, Trusted

#: What each template may use, what it must use, and what that is.
VARIABLES: Mapping[str, Mapping[str, str]] = {
    "system.j2": {
        "title": "the world's title",
        "lore": "what is true in the world",
        "persona": "who speaks",
        "role": "what this member looks after, may be empty",
    },
    "user.j2": {
        "player": "who plays, may be empty",
        "facts": "pinned facts, a list of texts",
        "context": "what the game told of the scene, a list of texts",
        "summary": "the tale so far in short, may be empty",
        "turns": "the latest turns, oldest first, each with question and decision",
        "question": "what is asked",
        "options": "what may be chosen, a list of texts; empty for prose",
    },
}
REQUIRED = {
    "system.j2": frozenset({"persona"}),
    "user.j2": frozenset({"question", "options", "facts"}),
}
#: A player may have had a say in these, so they stand inside the marks.
STORY = ("player", "facts", "context", "summary", "turns", "question")
OPENS, CLOSES = "<story>", "</story>"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. ``line`` counts from 1; None: the template as a whole."""

    template: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.template if self.line is None else f"{self.template}:{self.line}"
        return f"{place}: {self.message}"


def lint(name: str, source: str) -> list[Finding]:
    """The findings about the template of that name (``system.j2`` or ``user.j2``)."""
    if name not in VARIABLES:
        known = ", ".join(VARIABLES)
        return [Finding(name, None, f"no template has this name; there are {known}")]
    try:
        template = Template(source)
    except TemplateError as error:
        return [Finding(name, error.line, error.message)]
    found = [Finding(name, line, message) for line, message in _names(name, template)]
    if not found:
        found = [Finding(name, None, message) for message in _rendered(name, template)]
    return found


def _names(name: str, template: Template) -> Iterator[tuple[int | None, str]]:
    known = VARIABLES[name]
    used = meta.find_undeclared_variables(template.tree)
    for variable in sorted(used - set(known)):
        if variable in ENVIRONMENT.globals:
            continue
        near = difflib.get_close_matches(variable, known, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
        elsewhere = any(variable in others for others in VARIABLES.values())
        if elsewhere:
            hint = "; it stands in the other template, because it may hold a player's words"
        yield _line(template, variable), f"{variable} is not known here{hint}"
    for variable in sorted(REQUIRED[name] - used):
        yield None, f"{variable} ({known[variable]}) is never used; no member would be told"


def _line(template: Template, variable: str) -> int | None:
    for number, line in enumerate(template.source.splitlines(), 1):
        if variable in line:
            return number
    return None


def _rendered(name: str, template: Template) -> Iterator[str]:
    try:
        texts = [template.render(scene) for scene in SAMPLES[name]]
    except TemplateError as error:
        yield f"it fails with a usual scene: {error.message}"
        return
    if name == "user.j2":
        yield from _outside(texts[0])


def _outside(text: str) -> Iterator[str]:
    """Untrusted words that stand outside of the marks."""
    opening, closing = text.find(OPENS), text.rfind(CLOSES)
    if opening < 0 or closing < opening:
        yield f"the tale has no marks: put what happens between {OPENS} and {CLOSES}"
        return
    outside = text[:opening] + text[closing:]
    for variable in STORY:
        if _mark(variable) in outside:
            yield (
                f"{variable} may hold a player's words: move it between {OPENS} and {CLOSES}, "
                "where members take nothing for an order"
            )


def _mark(variable: str) -> str:
    return f"word-of-{variable}"


def _full() -> dict[str, Any]:
    scene: dict[str, Any] = {name: _mark(name) for name in ("player", "summary", "question")}
    scene |= {name: [_mark(name)] * 2 for name in ("facts", "context")}
    scene["options"] = ["word-of-options one", "word-of-options two"]
    scene["turns"] = [{"question": _mark("turns"), "decision": _mark("turns")}] * 2
    return scene


def _empty() -> dict[str, Any]:
    lists: dict[str, Any] = {name: [] for name in ("facts", "context", "options", "turns")}
    return {"player": "", "summary": "", "question": _mark("question"), **lists}


#: A scene with everything and one with as little as can be.
SAMPLES: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "system.j2": (
        {name: Trusted(_mark(name)) for name in VARIABLES["system.j2"]},
        {name: Trusted("") for name in VARIABLES["system.j2"]},
    ),
    "user.j2": (_full(), _empty()),
}
