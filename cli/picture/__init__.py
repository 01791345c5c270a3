"""An analysis as one page: a `Story` in, HTML with pictures out. Nothing in it is loaded from
elsewhere, and it needs no scripts."""

from cli.picture.page import render
from cli.picture.story import Step, Story

__all__ = ["Step", "Story", "render"]
