"""The reference page leaves nothing out."""

import re
from pathlib import Path

from runtime.config.metrics import Metrics
from runtime.config.settings import Settings

PAGE = (Path(__file__).parents[4] / "docs/reference/config.md").read_text()


def test_every_setting_has_a_row() -> None:
    told = set(re.findall(r"`(FABULA_[A-Z_]+)`", PAGE))
    assert told == {f"FABULA_{name.upper()}" for name in Settings.model_fields}


def test_every_metric_has_a_row() -> None:
    told = set(re.findall(r"`(fabula_config_[a-z_]+?)(?:_total)?(?:\{[^`]*)?`", PAGE))
    assert told == {family.name for family in Metrics().registry.collect()}
