"""Exports of known tools, by name; a file is the first of them that recognises it, else generic."""

from __future__ import annotations

from service.ingest.presets.contract import Preset, Sheet
from service.ingest.presets.generic import PRESET as GENERIC
from service.ingest.presets.qualtrics import PRESETS as QUALTRICS
from service.ingest.presets.reviews import PRESETS as REVIEWS
from service.ingest.presets.surveymonkey import PRESET as SURVEYMONKEY
from service.ingest.presets.surveys import PRESETS as SURVEYS

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (*QUALTRICS, SURVEYMONKEY, *SURVEYS, *REVIEWS, GENERIC)
}


def detect(sheet: Sheet) -> Preset:
    """The preset of a file, by its header and first rows."""
    return next(preset for preset in PRESETS.values() if preset.recognised(sheet))
