"""The encoder while it learns: the pretrained network, our five heads and those of the other tasks.

The only files that need torch and transformers are this one and `encoder_fit.py`; `requirements-training.txt`
has them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from nlp.wordpieces import Pieces
from training.encoder_data import Task
from training.encoder_export import LABELS_KEY
from training.pretrained import pretrained_folder


class Net(torch.nn.Module):  # type: ignore[misc]  # mypy does not read torch
    """`vectors` gives the mean over a text's word pieces; heads are linear."""

    def __init__(self, labels: Mapping[str, Sequence[str]], tasks: Sequence[Task], *, dropout: float) -> None:
        super().__init__()
        folder = pretrained_folder()
        self.bert = BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False)
        weights = {
            name.removeprefix("bert."): values
            for name, values in load_file(folder / "model.safetensors").items()
            if "pooler" not in name and "position_ids" not in name
        }
        self.bert.load_state_dict(weights)
        width = self.bert.config.hidden_size
        self.dropout = torch.nn.Dropout(dropout)
        self.heads = torch.nn.ModuleDict(
            {field: torch.nn.Linear(width, len(order)) for field, order in labels.items()}
        )
        self.aux = torch.nn.ModuleDict({task.name: torch.nn.Linear(width, task.labels) for task in tasks})

    def vectors(self, pieces: Sequence[Pieces], *, masking: float = 0.0, mask: int = 0) -> Any:
        """One vector per text (texts × width), with dropout while training.

        `masking` of the word pieces that are no marks are replaced by the piece `mask`.
        """
        length = max(len(numbers) for numbers, _ in pieces)
        numbers = torch.zeros(len(pieces), length, dtype=torch.long)
        types, seen = torch.zeros_like(numbers), torch.zeros_like(numbers)
        for row, (own, first) in enumerate(pieces):
            numbers[row, : len(own)] = torch.tensor(own)
            types[row, first : len(own)] = 1
            seen[row, : len(own)] = 1
        if masking > 0:
            hidden = (torch.rand(numbers.shape) < masking) & (numbers > _LAST_MARK)
            numbers = torch.where(hidden, torch.full_like(numbers, mask), numbers)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = self.bert(input_ids=numbers, token_type_ids=types, attention_mask=seen).last_hidden_state
        present = seen[..., None].to(states.dtype)
        return self.dropout(((states * present).sum(1) / present.sum(1)).float())


_LAST_MARK = 998
"""Word pieces up to this number are marks and unused ones."""


def save_weights(net: Net, labels: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write the weights with the order of the labels."""
    order = json.dumps({field: list(names) for field, names in labels.items()})
    values = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(values, path, metadata={LABELS_KEY: order})
