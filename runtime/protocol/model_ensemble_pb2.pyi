from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PredictRequest(_message.Message):
    __slots__ = ("request_id", "model_name", "context", "parameters", "timeout_ms")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model_name: str
    context: Context
    parameters: Parameters
    timeout_ms: int
    def __init__(self, request_id: _Optional[str] = ..., model_name: _Optional[str] = ..., context: _Optional[_Union[Context, _Mapping]] = ..., parameters: _Optional[_Union[Parameters, _Mapping]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class Context(_message.Message):
    __slots__ = ("session_id", "facts")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    facts: _struct_pb2.Struct
    def __init__(self, session_id: _Optional[str] = ..., facts: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Parameters(_message.Message):
    __slots__ = ("question", "options", "task")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    question: str
    options: _containers.RepeatedScalarFieldContainer[str]
    task: str
    def __init__(self, question: _Optional[str] = ..., options: _Optional[_Iterable[str]] = ..., task: _Optional[str] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("request_id", "model_name", "narrative", "action", "confidence", "reasoning", "final", "decision_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    NARRATIVE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model_name: str
    narrative: Narrative
    action: Action
    confidence: float
    reasoning: str
    final: bool
    decision_id: str
    def __init__(self, request_id: _Optional[str] = ..., model_name: _Optional[str] = ..., narrative: _Optional[_Union[Narrative, _Mapping]] = ..., action: _Optional[_Union[Action, _Mapping]] = ..., confidence: _Optional[float] = ..., reasoning: _Optional[str] = ..., final: _Optional[bool] = ..., decision_id: _Optional[str] = ...) -> None: ...

class Narrative(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("choice", "text")
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    choice: str
    text: str
    def __init__(self, choice: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
