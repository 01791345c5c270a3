"""A changed member reaches some sessions first, then everyone, and there is a way back at once.

The old revision answers north and the new one south: their models are the same, and their sampling
tells them apart in the record by the revision.
"""

import itertools
import json
from collections import Counter
from typing import Any

from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, Object, until

WAIT = {"waitFor": "Person"}
STEPS = [{"trafficPercent": 10, **WAIT}, {"trafficPercent": 50, **WAIT}]
_IDS = itertools.count(1)


def chorus(
    *, steps: list[Object] | None = None, policy: Object | None = None, **changed: Any
) -> Object:
    """Two members, the second of which changes."""
    rollout = {"steps": steps or STEPS, "rollbackWindowMinutes": 30, **(policy or {})}
    members = worlds.engine("one"), worlds.engine("two", **changed)
    return worlds.ensemble(*members, rollout=rollout)


def member(kube: Kube) -> Object:
    return next(m for m in kube.get("me", "chorus")["status"]["members"] if m["name"] == "two")


def rollout(kube: Kube) -> Object:
    return dict(kube.get("me", "chorus")["status"].get("rollout", {}))


def stands(kube: Kube, phase: str, percent: int, seconds: float = 60) -> Object:
    """The rollout once it is in this phase with this share."""

    def look() -> Object | None:
        found = rollout(kube)
        return (
            found if (found.get("phase"), found.get("trafficPercent")) == (phase, percent) else None
        )

    return until(f"{phase} at {percent} %", look, seconds, last=lambda: rollout(kube))


def ask(kube: Kube, action: str, **more: str) -> str:
    """Ask as a person does; the outcome and the words of the answer."""
    word = f"{action}-{next(_IDS)}"
    patch = json.dumps({"status": {"request": {"action": action, "id": word, **more}}})
    kube.kubectl("patch", "me", "chorus", "--subresource=status", "--type=merge", "-p", patch)

    def look() -> Object | None:
        answer: Object = kube.get("me", "chorus")["status"].get("lastRequest", {})
        return answer if answer.get("id") == word else None

    answer = until(f"an answer to {action}", look)
    return f"{answer['outcome']}: {answer['message']}"


def told_by(game: Game, session: str) -> tuple[str, str | None]:
    """The revision of the second member that a turn is told by, and its arm."""
    record = game.get(f"/v1/decisions/{game.ask(session)['id']}")
    revision = next(c["revision"] for c in record["candidates"] if c["member"] == "two")
    return revision, record.get("arm")


def begin(kube: Kube) -> tuple[str, str]:
    """The old revision and the new one, with the new one in its first step."""
    kube.apply(worlds.world(), chorus(), worlds.storyteller())
    kube.ready()
    old = member(kube)["stable"]
    kube.apply(chorus(sampling={"temperature": "0.1"}))
    stands(kube, "Paused", 10, 120)
    new = member(kube)["revision"]
    assert (member(kube)["stable"], new != old) == (old, True)
    return old, new


def test_a_changed_member_goes_step_by_step_to_everyone_and_back(kube: Kube, game: Game) -> None:
    old, new = begin(kube)
    assert ask(kube, "SkipStep").startswith("Done")
    stands(kube, "Paused", 50)

    def split() -> bool:
        """The gateway follows the table within a second."""
        return told_by(game, game.session())[1] is not None

    until("sessions are drawn", split)
    sessions = [game.session() for _ in range(30)]
    told = {session: told_by(game, session) for session in sessions}
    arms = Counter(arm for _, arm in told.values())
    assert set(told.values()) == {(new, "Canary"), (old, "Baseline")}, arms
    assert {session: told_by(game, session) for session in sessions} == told
    assert ask(kube, "Promote").startswith("Done")
    stands(kube, "Promoted", 100)
    until("everyone is on the new one", lambda: told_by(game, sessions[0])[0] == new)
    assert {told_by(game, session) for session in sessions} == {(new, None)}
    assert len(kube.pods("fabula.dev/member=two")) == 2, "the old one is kept warm"
    assert ask(kube, "Undo").startswith("Done")
    until("everyone is back", lambda: told_by(game, sessions[0])[0] == old, seconds=10)
    assert {told_by(game, session) for session in sessions} == {(old, None)}
    assert "sent back" in kube.says("me", "chorus", "HeldBack")
    until("the new one gone", lambda: len(kube.pods("fabula.dev/member=two")) == 1)
    assert ask(kube, "Retry").startswith("Done")
    stands(kube, "Paused", 10, 120)


def test_an_abort_sends_everyone_back_and_a_spec_that_returns_makes_peace(
    kube: Kube, game: Game
) -> None:
    old, new = begin(kube)
    ask(kube, "SkipStep")
    stands(kube, "Paused", 50)

    def in_the_canary() -> str | None:
        session = game.session()
        return session if told_by(game, session) == (new, "Canary") else None

    session = until("a session in the canary", in_the_canary)
    assert ask(kube, "Abort").startswith("Done")
    until("it is told by the old one", lambda: told_by(game, session) == (old, None), seconds=10)
    kube.says("me", "chorus", "HeldBack", "Retry, or change the member")
    kube.apply(chorus())
    kube.says("me", "chorus", "MembersReady")
    assert "nothing was sent back" in ask(kube, "Retry")


def test_a_canary_that_cannot_start_gets_nobody_and_the_newest_spec_wins(
    kube: Kube, game: Game
) -> None:
    kube.apply(worlds.world(), chorus(), worlds.storyteller())
    kube.ready()
    old = member(kube)["stable"]
    bad = worlds.engine("two", "--no-such-switch")["engine"]
    kube.apply(chorus(engine=bad))
    kube.says("me", "chorus", "CrashLooping", "--no-such-switch", 90)
    assert (rollout(kube)["phase"], rollout(kube)["trafficPercent"]) == ("Starting", 0)
    assert told_by(game, game.session()) == (old, None)
    assert "ready" in ask(kube, "Promote")
    kube.apply(chorus(sampling={"temperature": "0.1"}))
    assert stands(kube, "Paused", 10, 120)["number"] == 2
    until("the broken one gone", lambda: len(kube.pods("fabula.dev/member=two")) == 2)


def test_testers_have_it_before_the_first_step_and_the_rest_ask_it_in_the_shadow(
    kube: Kube, game: Game
) -> None:
    steps = [{"trafficPercent": 0, **WAIT}, {"trafficPercent": 50, **WAIT}]
    policy = {
        "testers": {"names": ["ann"]},
        "shadow": {"percent": 100, "judge": "one"},
        "guardrails": [{"metric": "judge-preference", "marginPoints": "40"}],
        "analysis": {"windowSeconds": 5},
    }
    kube.apply(worlds.world(), chorus(steps=steps, policy=policy), worlds.storyteller())
    kube.ready()
    old = member(kube)["stable"]
    kube.apply(chorus(steps=steps, policy=policy, sampling={"temperature": "0.1"}))
    assert "testers alone" in stands(kube, "Paused", 0, 120)["message"]
    new = member(kube)["revision"]

    def testing() -> bool:
        return told_by(game, game.session("ann")) == (new, "Tester")

    until("the gateway knows the tester", testing)
    session = game.session("ann")
    assert told_by(game, game.session()) == (old, "Shadow")
    assert told_by(game, game.session("bob")) == (old, "Shadow")

    def compared() -> Object | None:
        """Engines that answer alike are as good as one another, and a few sessions show it."""
        for _ in range(8):
            game.ask(game.session())
        verdict = rollout(kube).get("verdict", {})
        return verdict if verdict.get("kind") == "Proven" else None

    verdict = until("the shadow proves it", compared, 120, last=lambda: rollout(kube))
    assert (verdict["pairs"], verdict["metrics"][0]["standing"]) == (0, "Proven")
    assert ask(kube, "SkipStep").startswith("Done")
    stands(kube, "Paused", 50)
    assert told_by(game, session) == (new, "Tester")
    assert ask(kube, "Abort").startswith("Done")
    until("it is told by the old one", lambda: told_by(game, session) == (old, None), seconds=10)


def test_a_model_that_answers_nothing_is_sent_back_before_anybody_is_told_by_it(
    kube: Kube, game: Game
) -> None:
    kube.apply(worlds.world(), chorus(), worlds.storyteller())
    kube.ready()
    old = member(kube)["stable"]
    kube.apply(chorus(engine=worlds.engine("two", "--fault-empty-rate", "1")["engine"]))
    stands(kube, "Aborted", 0, 120)
    assert "was not answered" in rollout(kube)["message"]
    assert "Empty" in rollout(kube)["message"]
    kube.says("me", "chorus", "HeldBack", "Retry, or change the member")
    assert told_by(game, game.session()) == (old, None)


def test_in_a_freeze_nothing_begins_until_it_is_over(kube: Kube, game: Game) -> None:
    always = {"days": ["Monday"], "start": "00:00", "hours": 168}
    freeze = [{"name": "raids", "weekly": always}]
    kube.apply(worlds.world(freezeWindows=freeze), chorus(), worlds.storyteller())
    kube.ready()
    old = member(kube)["stable"]
    kube.apply(chorus(sampling={"temperature": "0.1"}))
    kube.says("me", "chorus", "RollingOut", "waits: freeze window raids lasts until")
    assert told_by(game, game.session()) == (old, None)
    kube.apply(worlds.world())
    stands(kube, "Paused", 10, 120)


def test_a_stored_revision_is_returned_to_and_kept(kube: Kube, game: Game) -> None:
    kube.apply(worlds.world(), chorus(), worlds.storyteller())
    kube.ready()
    first = member(kube)["stable"]
    quick = {"rollbackWindowMinutes": 0}
    for temperature in ("0.1", "0.2"):
        kube.apply(chorus(sampling={"temperature": temperature}, policy=quick))
        stands(kube, "Paused", 10, 120)
        assert ask(kube, "Promote").startswith("Done")
        stands(kube, "Complete", 100)
    until("the first one gone", lambda: len(kube.pods("fabula.dev/member=two")) == 1)
    assert ask(kube, "ReturnTo", to=first).startswith("Done")
    stands(kube, "Undone", 0, 120)
    until("it answers", lambda: told_by(game, game.session())[0] == first)
    kube.says("me", "chorus", "HeldBack", "was sent back")
