"""What was promoted and goes bad later is sent back within the rollback window, by itself.

The engine answers as it should for more questions than the steps ask, and with nothing after that.
"""

from tests.e2e.kube import Game, Kube, until
from tests.e2e.test_analysis import begin, crowd
from tests.e2e.test_rollout import member, rollout, told_by

#: More than it takes to prove the new revision, and few enough to be asked in a minute or two.
GOOD_ANSWERS = "1200"


def test_a_promoted_model_that_goes_bad_is_sent_back_within_the_window(
    kube: Kube, game: Game
) -> None:
    old, new = begin(kube, "--fault-empty-rate", "1", "--fault-after", GOOD_ANSWERS)
    with crowd(game, turns=1):
        until(
            "it is proven",
            lambda: rollout(kube).get("verdict", {}).get("kind") == "Proven",
            180,
            last=lambda: rollout(kube),
        )
    until(
        "it is everyone's",
        lambda: rollout(kube)["phase"] == "Promoted",
        120,
        last=lambda: rollout(kube),
    )
    until("everyone has it", lambda: told_by(game, game.session())[0] == new, seconds=10)
    until(
        "new sessions are watched",
        lambda: rollout(kube).get("watch", {}).get("trafficPercent") == 100,
        60,
        last=lambda: rollout(kube),
    )
    assert {each["metric"] for each in member(kube)["margins"]} == {"member-errors", "member-slow"}
    with crowd(game, turns=1):
        until(
            "it is sent back",
            lambda: rollout(kube)["phase"] == "Undone",
            300,
            last=lambda: rollout(kube),
        )
    found = rollout(kube)
    assert found["watch"]["drifted"] == ["member-errors"]
    assert "that promotion promised" in found["message"]
    until("everyone is back", lambda: told_by(game, game.session()) == (old, None), seconds=10)
    kube.says("me", "chorus", "HeldBack", "was sent back")
    assert not member(kube).get("margins"), "what was taken back cost nothing"
