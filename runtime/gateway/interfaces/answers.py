"""How the routes of our own API name a decision."""

from typing import Annotated

from fastapi import Path

from runtime.gateway.interfaces import examples

DecisionId = Annotated[
    str, Path(max_length=64, description="Id of a decision.", examples=[examples.DECISION_ID])
]
