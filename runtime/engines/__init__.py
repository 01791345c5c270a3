"""How members are asked: one small interface over every engine, always as a stream so that closing
it stops the generation."""

from runtime.engines.asking import collect
from runtime.engines.base import (
    Chunk,
    Engine,
    EngineError,
    FailureKind,
    Message,
    Prompt,
    Reply,
    Usage,
)
from runtime.engines.catalogue import Known, known
from runtime.engines.factory import engine_for
from runtime.engines.money import Price, usd

__all__ = [
    "Chunk",
    "Engine",
    "EngineError",
    "FailureKind",
    "Known",
    "Message",
    "Price",
    "Prompt",
    "Reply",
    "Usage",
    "collect",
    "engine_for",
    "known",
    "usd",
]
