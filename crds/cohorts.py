"""Cohorts: players that the game knows apart, so that an experiment can leave them out."""

from typing import Annotated

from pydantic import Field, StringConstraints

from crds.base import Model, Text

CohortName = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
#: Cohorts of a World, and of a session.
MAX_COHORTS = 32


class Cohort(Model):
    """Some of the players."""

    name: Annotated[
        CohortName, Field(description="Its name, as the game says it when a session begins.")
    ]
    description: Annotated[
        Text | None,
        Field(max_length=256, description="Who is in it, for people. Default: nothing."),
    ] = None
