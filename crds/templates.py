"""Templates of what members are told, as operator and gateways speak of those that are tried.

A gateway reads a template, because it is a program that a tenant wrote; the operator only carries
it.
"""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model

TemplateName = Literal["system.j2", "user.j2"]
#: Longest template, in characters.
MAX_TEMPLATE = 32 * 1024
#: Templates of experiments that a gateway is told at a time: they have to fit into its ConfigMap.
TRIED_AT_ONCE = 4


class Template(Model):
    """One that an experiment tries, or wants to."""

    name: TemplateName
    digest: str
    text: str


class TriedTemplate(Model):
    """What the gateways say of a template that an experiment tries, or wants to."""

    name: Annotated[TemplateName, Field(description="Which of the two.")]
    digest: Annotated[
        str, Field(max_length=16, description="SHA-256 of its text, the first 16 hex digits.")
    ]
    refused: Annotated[
        str | None,
        Field(max_length=512, description="Why it cannot be used. Absent: it can."),
    ] = None
