"""Free texts that mean the same: each follows the heaviest member whose text it is like.

This is Hartigan's leader algorithm (1975) in the order of weight, so the order of arrival does not
matter. A text is like the one that is told in its stead, not merely like one that is like another.
And a text that comes late changes nothing for those who weigh more than its member, which is what
makes stopping early possible; average and complete linkage may regroup everything.
"""

from collections.abc import Sequence

from runtime.consensus.vote import Ballot, precedence

#: Cosine of the angle between two texts from which on they count as meaning the same. It errs to
#: the side of keeping texts apart, and still does not see a negation.
SAME = 0.8


def leaders(ballots: Sequence[Ballot], similarity: Sequence[Sequence[float]]) -> list[str | None]:
    """For each ballot the member whose text it follows; itself where it follows nobody, None where
    there is no text.

    Args:
        similarity: of the texts of two ballots, by their places.
    """
    found: list[str | None] = [None] * len(ballots)
    leading: list[int] = []
    for at, ballot in sorted(enumerate(ballots), key=precedence):
        if ballot.answer is None:
            continue
        leader = next(
            (
                other
                for other in leading
                if ballots[other].answer == ballot.answer or similarity[at][other] >= SAME
            ),
            None,
        )
        if leader is None:
            leading.append(at)
        found[at] = ballots[at if leader is None else leader].member
    return found
