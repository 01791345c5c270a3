"""The API: one pydantic module a kind, the only source of schema, reference and parsed objects."""

from crds.common import API_VERSION, GROUP, VERSION, InvalidObjectError, Kind
from crds.definition import KINDS
from crds.ensemble import ModelEnsemble
from crds.experiment import EvolutionExperiment
from crds.storyteller import Storyteller
from crds.world import World

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "EvolutionExperiment",
    "InvalidObjectError",
    "Kind",
    "ModelEnsemble",
    "Storyteller",
    "World",
]
