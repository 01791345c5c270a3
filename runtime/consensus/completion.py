"""Which decisions run to completion.

Stopping early hides what slow members would have said, and hides it most when the others agree.
A draw that knows nothing of the answers is the only sample that is fair to all of them.
"""

from hashlib import sha256

#: Of so many decisions one runs to completion: 5 %.
ONE_IN = 20


def runs_to_completion(seed: str) -> bool:
    """Whether the decision with this seed waits for every member. Anyone can draw again."""
    drawn = int.from_bytes(sha256(f"completion {seed}".encode()).digest()[:8], "big")
    return drawn % ONE_IN == 0
