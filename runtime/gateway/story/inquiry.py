"""What a game asks of the storyteller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.audit import Record
from runtime.gateway.story.poll import Watch, unwatched
from runtime.limits.visits import Visit
from runtime.tracing import Trace


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided."""

    text: str
    options: tuple[str, ...] | None
    context: str | Mapping[str, Any] | None
    #: What kind of question it is, for what is learned by task.
    task: str | None = None
    #: It wants a new answer, whatever was answered before.
    fresh: bool = field(default=False, compare=False)

    def equals(self, record: Record) -> bool:
        """Whether a record answers this very question."""
        options = list(self.options) if self.options else None
        return (self.text, options, self.context, self.task) == (
            record.question,
            record.options,
            record.context,
            record.task,
        )


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question as it was asked."""

    #: The session that its turn belongs to.
    session: str
    question: Question
    #: What it belongs to.
    trace: Trace
    #: Who asks.
    visit: Visit
    #: The idempotency key: names the question within the session.
    key: str | None = None
    #: Hears of each candidate as it becomes known.
    watch: Watch = unwatched
    #: Seconds that it may take, if that is less than the ensemble has.
    patience: float | None = None
