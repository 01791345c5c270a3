"""Jinja2 in a sandbox: a template can read what it is given and reach nothing else, and whatever it
prints is made harmless unless the owners of the world wrote it.

Values are never compiled, so braces in a player's words stay braces.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from crds.templates import MAX_TEMPLATE
from runtime.remembered import remembered

#: Longest text that a template may make, in characters.
MAX_TEXT = 256 * 1024
#: The templates of a prompt: who the member is, and what it is asked.
NAMES = ("system.j2", "user.j2")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
_CHAT_MARK = re.compile(r"\[(/?[A-Z_]{2,32})\]")
_ANGLES = str.maketrans("<>", "‹›")
_UNREACHABLE = (jinja2.nodes.Include, jinja2.nodes.Import, jinja2.nodes.FromImport)


class Trusted(str):
    """Words of those who own the world. Any operation on them gives an ordinary string, which is
    not trusted."""

    __slots__ = ()


class TemplateError(Exception):
    """A template that cannot be used. ``line`` is where, from 1 on, if that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.message = message
        self.line = line


@remembered
def harmless(text: str) -> str:
    """Untrusted text that can close no mark of ours and open no turn of a chat template."""
    return _CHAT_MARK.sub(r"(\1)", _CONTROL.sub(" ", text).translate(_ANGLES))


class _Environment(ImmutableSandboxedEnvironment):
    """No files, no silence about names that do not exist, and nothing that makes much of little."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """See SandboxedEnvironment."""
        raise SecurityError(f"a template does not calculate with {operator}; write the text out")


def _printed(value: Any) -> Any:
    if isinstance(value, Trusted):
        return str(value)
    return harmless(value if isinstance(value, str) else str(value))


ENVIRONMENT = _Environment(
    undefined=jinja2.StrictUndefined,
    finalize=_printed,
    trim_blocks=True,
    lstrip_blocks=True,
    autoescape=False,  # prompts are no HTML; `finalize` does what theirs needs
)
for _endless in ("range", "lipsum"):
    del ENVIRONMENT.globals[_endless]


class Template:
    """One template, known by the digest of its text."""

    def __init__(self, source: str) -> None:
        """Read it.

        Raises:
            TemplateError: it is too long, no valid Jinja2, or wants another template.
        """
        if len(source) > MAX_TEMPLATE:
            raise TemplateError(f"a template may have {MAX_TEMPLATE} characters; shorten it")
        self.source = source
        self.digest = sha256(source.encode()).hexdigest()
        self.tree = _parse(source)
        self._compiled = ENVIRONMENT.from_string(self.tree)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text, with those values.

        Raises:
            TemplateError: it uses what is not there or not allowed, or makes a text beyond all
                bounds.
        """
        pieces: list[str] = []
        length = 0
        try:
            for piece in self._compiled.generate(values):
                pieces.append(piece)
                length += len(piece)
                if length > MAX_TEXT:
                    raise TemplateError(f"it makes more than {MAX_TEXT} characters; bound its loop")
        except TemplateError:
            raise
        except Exception as error:  # whatever code in a template may raise
            raise TemplateError(" ".join(str(error).split())[:300]) from error
        return "".join(pieces).strip()


def _parse(source: str) -> jinja2.nodes.Template:
    try:
        tree = ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(error.message or "not valid Jinja2", error.lineno) from error
    for node in tree.find_all((*_UNREACHABLE, jinja2.nodes.Extends)):
        raise TemplateError("a template stands alone: write out what it includes", node.lineno)
    return tree


@lru_cache(maxsize=64)
def template(source: str) -> Template:
    """The template of that text, read once."""
    return Template(source)


DEFAULTS = {
    name: (Path(__file__).parent / "defaults" / name).read_text(encoding="utf-8") for name in NAMES
}
