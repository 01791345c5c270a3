"""What a member is told: who it is and what is true as the system's words, what happens in the game
as data. The words are those of templates (runtime.prompts); what goes into them is chosen here.

Everything that comes with a request may hold a player's words, and a summary may too, since a model
wrote it from them. It stands between marks that it cannot write itself, and in the user's turn,
never in the system's.

A prompt has a budget in tokens: the smaller of what the Storyteller allows and the member's own
window. Facts, the question and the answer have their place in it first, then the summary, then as
many of the latest turns as fit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import structlog

from crds.ensemble import Sampling
from crds.gateway import GatewayConfig
from crds.routes import Route
from runtime.engines import Message, Prompt, known
from runtime.prompts import DEFAULTS, NAMES, TemplateError, Trusted, template
from runtime.prompts import harmless as cleaned
from runtime.sessions import Fact, Summary, Turn
from runtime.sessions.chapters import latest
from runtime.sessions.tokens import at_most, clip

#: Bounds in characters of what the operator's texts and a request's context may take of a prompt.
#: The API refuses longer roles and questions.
LORE, PERSONA, ROLE, CONTEXT, QUESTION = 2400, 1200, 400, 1200, 2000
#: Characters of a summary.
SUMMARY = 1200
#: Tokens that a chat template adds.
TEMPLATE = 48
SYSTEM, USER = NAMES

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Scene:
    """One question and what surrounds it. Untrusted, all of it."""

    question: str
    options: tuple[str, ...] | None
    player: str | None = None
    session_context: str | Mapping[str, Any] | None = None
    context: str | Mapping[str, Any] | None = None
    facts: Sequence[Fact] = ()
    summary: Summary | None = None
    turns: Sequence[Turn] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """The prompt of one member but for the tale so far."""

    config: GatewayConfig
    route: Route
    #: With contexts as far as they are told, and without summary and turns.
    scene: Scene
    system: str
    traceparent: str | None
    #: Tokens that summary and turns may have.
    room: int

    def user(self, summary: Summary | None, turns: Sequence[Turn]) -> str:
        """The user's turn, with the summary and as many of the latest turns as fit. They are
        harmless already."""
        summary = _summary(summary, self.room // 2)
        left = self.room - (at_most(summary.text) + 1 if summary else 0)
        told = latest(turns, left) or _last(turns, left)
        return _user(self.config, replace(self.scene, summary=summary, turns=told))


def prompts(
    drafts: Sequence[Draft], summary: Summary | None, turns: Sequence[Turn]
) -> list[Prompt]:
    """The whole of each draft. Members with as much room are told the same, made once."""
    turns = [turn.told for turn in turns]
    users: dict[tuple[object, ...], str] = {}
    made = []
    for each in drafts:
        like = each.room, each.scene.session_context, each.scene.context
        if like not in users:
            users[like] = each.user(summary, turns)
        made.append(_prompt(each.route, each.scene, each.system, users[like], each.traceparent))
    return made


def draft(
    config: GatewayConfig,
    route: Route,
    scene: Scene,
    traceparent: str | None,
    reserve: int = 0,
) -> Draft:
    """What has its place in a member's prompt before the tale does. ``reserve`` is how many tokens
    are left for what is added to it later."""
    bare = replace(scene, session_context=None, context=None, summary=None, turns=())
    answer = _prompt(route, scene, "", "", None).max_tokens
    left = window(config, route) - answer - TEMPLATE - reserve - at_most(_user(config, bare))
    system = _system(config, route, left)
    left -= at_most(system)
    contexts = [_context(each, left // 4) for each in (scene.session_context, scene.context)]
    left -= sum(at_most(each) + 1 for each in contexts if each)
    told = replace(bare, session_context=contexts[0], context=contexts[1])
    return Draft(config, route, told, system, traceparent, max(0, left))


def build(
    config: GatewayConfig,
    route: Route,
    scene: Scene,
    traceparent: str | None,
    reserve: int = 0,
) -> Prompt:
    """The prompt of one member. ``reserve``: see draft."""
    made = draft(config, route, scene, traceparent, reserve)
    return prompts([made], scene.summary, scene.turns)[0]


def window(config: GatewayConfig, route: Route) -> int:
    """Tokens that a request to this member may have, its answer included."""
    most = config.sessions.context_tokens
    return min(most, known(route).context_tokens or most)


def converse(
    config: GatewayConfig,
    route: Route,
    messages: Sequence[Message],
    sampling: Sampling,
    *,
    options: tuple[str, ...] | None = None,
    stop: tuple[str, ...] = (),
    traceparent: str | None = None,
) -> Prompt:
    """The prompt of one member for a conversation that the game leads itself. Lore, persona and
    role come first, then the messages, in which no mark of a chat template is left."""
    said = [Message(each.role, harmless(each.content, len(each.content))) for each in messages]
    told = config.prompts.get(SYSTEM), config.title, config.persona, route.role or ""
    system = [_introduction(*told, lore=_clip(config.lore, LORE))]
    while said and said[0].role == "system":  # many chat templates know one system message only
        system.append(said.pop(0).content)
    if options is not None:
        task = _choices(options)
        last = said.pop() if said and said[-1].role == "user" else None
        said.append(Message("user", f"{last.content}\n\n{task}" if last else task))
    first = Message("system", "\n\n".join(part for part in system if part))
    return Prompt(
        (first, *said),
        sampling,
        options=options,
        stop=stop,
        logprobs=options is not None,
        traceparent=traceparent,
    )


def told_in_part(config: GatewayConfig) -> dict[str, int]:
    """Texts of the configuration that are too long, and how many of their characters are told."""
    bounds = {"lore": (config.lore, LORE), "persona": (config.persona, PERSONA)}
    return {name: most for name, (text, most) in bounds.items() if len(text.strip()) > most}


def harmless(text: str, limit: int) -> str:
    """Untrusted text that can close no mark of ours and open no turn of a chat template."""
    # Cut first: a context may be as long as a request.
    return _clip(cleaned(text.strip()[: limit + 1]), limit)


def _prompt(route: Route, scene: Scene, system: str, user: str, traceparent: str | None) -> Prompt:
    return Prompt.of(
        system,
        user,
        route.sampling,
        options=scene.options,
        # How sure a member is of its choice is worth knowing; of its prose it says little.
        logprobs=scene.options is not None,
        traceparent=traceparent,
    )


def _system(config: GatewayConfig, route: Route, tokens: int) -> str:
    """The system's words. Where the window is too small for all of them, the lore is cut."""
    told = config.prompts.get(SYSTEM), config.title, config.persona, route.role or ""
    left = tokens - at_most(_introduction(*told, lore=""))
    lore = clip(_clip(config.lore, LORE), max(0, left))
    return _introduction(*told, lore=lore)


@lru_cache(maxsize=256)
def _introduction(source: str | None, title: str, persona: str, role: str, *, lore: str) -> str:
    values = {
        "title": title,
        "lore": lore,
        "persona": _clip(persona, PERSONA),
        "role": _clip(role, ROLE),
    }
    return _filled(SYSTEM, source, {name: Trusted(text) for name, text in values.items()})


def _user(config: GatewayConfig, scene: Scene) -> str:
    contexts = [context for context in (scene.session_context, scene.context) if context]
    return _tale(
        config.prompts.get(USER),
        player=harmless(scene.player or "", 80),
        facts=tuple(fact.text for fact in scene.facts),
        context=tuple(harmless(_as_text(context), CONTEXT) for context in contexts),
        summary=harmless(scene.summary.text, SUMMARY) if scene.summary else "",
        turns=tuple((turn.question, turn.decision) for turn in scene.turns),
        question=harmless(scene.question, QUESTION),
        options=tuple(harmless(option, 200) for option in scene.options or ()),
    )


@lru_cache(maxsize=64)  # members with the same window are told the same
def _tale(source: str | None, *, turns: tuple[tuple[str, str], ...], **values: object) -> str:
    told = [{"question": question, "decision": decision} for question, decision in turns]
    return _filled(USER, source, {**values, "turns": told})


def _filled(name: str, source: str | None, values: Mapping[str, Any]) -> str:
    """The template with those values. One that fails here, although it was looked at before it was
    taken, costs its own words and not the story."""
    if source is not None:
        try:
            return template(source).render(values)
        except TemplateError as error:
            log.warning("prompt_failed", template=name, reason=str(error))
    return template(DEFAULTS[name]).render(values)


def _context(context: str | Mapping[str, Any] | None, tokens: int) -> str:
    if not context:
        return ""
    return clip(harmless(_as_text(context), CONTEXT), max(0, tokens))


def _summary(summary: Summary | None, tokens: int) -> Summary | None:
    if summary is None:
        return None
    text = clip(harmless(summary.text, SUMMARY), max(0, tokens))
    return replace(summary, text=text) if text else None


def _last(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """Of the last turn as much as fits, where it does not fit whole."""
    if not turns or tokens < 16:
        return []
    half = tokens // 2 - 2
    question, decision = (clip(text, half) for text in (turns[-1].question, turns[-1].decision))
    return [replace(turns[-1], question=question, decision=decision)]


def _choices(options: Sequence[str]) -> str:
    choices = "\n".join(f"- {harmless(option, 200)}" for option in options)
    return (
        f"Choose what happens next. The choices are:\n{choices}\n"
        'Answer with JSON: {"choice": "..."}, one choice word for word.'
    )


def _as_text(context: str | Mapping[str, Any]) -> str:
    if isinstance(context, str):
        return context
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in context.items()
    )


def _clip(text: str, limit: int) -> str:
    text = text.strip()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
