"""What members are told, as templates: written by those who own the world, filled with what happens
in the game, and never changed by what a player says."""

from runtime.prompts.lint import Finding, lint
from runtime.prompts.template import (
    DEFAULTS,
    NAMES,
    Template,
    TemplateError,
    Trusted,
    harmless,
    template,
)

__all__ = [
    "DEFAULTS",
    "NAMES",
    "Finding",
    "Template",
    "TemplateError",
    "Trusted",
    "harmless",
    "lint",
    "template",
]
