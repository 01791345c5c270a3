"""How members are asked: one small interface over every engine, always as a stream so that closing
it stops the generation."""

from runtime.engines.base import Chunk, Engine, EngineError, FailureKind, Prompt, Reply
from runtime.engines.collect import collect
from runtime.engines.factory import engine_for

__all__ = [
    "Chunk",
    "Engine",
    "EngineError",
    "FailureKind",
    "Prompt",
    "Reply",
    "collect",
    "engine_for",
]
