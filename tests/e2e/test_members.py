"""Members change, freeze and fall silent, and the story goes on."""

import os
import signal

from devcluster import Cluster
from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, until
from tests.e2e.processes import processes


def test_editing_a_member_rolls_only_that_member(kube: Kube, game: Game) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    before = kube.engines()
    changed = worlds.engine("three", "--fault-latency-ms", "1")
    kube.apply(worlds.ensemble(worlds.engine("one", weight=2), worlds.engine("two"), changed))
    until("a new pod of three", lambda: kube.engines()["three"] != before["three"])
    kube.ready()
    session = game.session()
    assert len(game.ask(session)["votes"]) == 3
    until("the old pod gone", lambda: len(kube.pods("app.kubernetes.io/name=engine")) == 3)
    after = kube.engines()
    assert (after["one"], after["two"]) == (before["one"], before["two"])


def test_a_broken_edit_leaves_the_old_revision_serving(kube: Kube, game: Game) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    bad = worlds.engine("three", "--no-such-switch")
    kube.apply(worlds.ensemble(worlds.engine("one", weight=2), worlds.engine("two"), bad))
    message = kube.says("me", "chorus", "CrashLooping", "--no-such-switch", 90)
    assert "three" in message
    assert len(game.ask(game.session())["votes"]) == 3
    kube.apply(worlds.ensemble())
    kube.ready()


def test_a_frozen_member_is_noticed_and_the_story_goes_on(
    fabula: Cluster, kube: Kube, game: Game
) -> None:
    assert fabula.kind == "native", "freezing a process needs the cluster's processes here"
    kube.apply(*worlds.whole())
    kube.ready()
    session = game.session()
    frozen = processes(kube.engines()["three"])
    assert frozen
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        first = game.ask(session)
        assert first["outcome"] == "Vote"
        kube.says("st", "shepherd", "QuorumAnswers", seconds=30)
        silent = [
            voice
            for voice in kube.get("st", "shepherd")["status"]["voices"]
            if not voice["answers"]
        ]
        assert [voice["name"] for voice in silent] == ["three"]
        assert game.ask(session)["outcome"] == "Vote"
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    kube.says("st", "shepherd", "AllMembersAnswer", seconds=60)
    kube.ready()


def test_with_no_member_the_fallback_answers_and_the_status_says_so(kube: Kube, game: Game) -> None:
    kube.apply(*worlds.whole())
    kube.ready()
    session = game.session()
    none = {"minReplicas": 0}
    kube.apply(worlds.ensemble(*(worlds.engine(n, scaling=none) for n in ("one", "two", "three"))))
    message = kube.says("st", "shepherd", "NoMemberAnswers", seconds=60)
    assert "fallback" in message
    decision = game.ask(session)
    assert decision["outcome"] == "Fallback"
    assert "The meadow is silent." in str(decision)
    kube.apply(worlds.ensemble())
    kube.ready()
    assert game.ask(session)["outcome"] == "Vote"
