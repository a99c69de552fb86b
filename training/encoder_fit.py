"""Step 2 of the accurate tier, fit: fine-tune the encoder on all heads at once, with other tasks beside.

reads  the pretrained encoder, examples and tasks · writes a weights file
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.wordpieces import WordPieces
from training.encoder_data import Example, Task, label_weights
from training.encoder_net import Net, save_weights
from training.encoder_recipe import AuxiliaryChoices, EncoderRecipe, FitChoices
from training.pretrained import TOKENIZER_FILE, pretrained_folder

_SORTED_BATCHES = 20
"""Batches whose texts are sorted by length together, so that little is padded."""
_LARGEST_GRADIENT = 1.0
_UNDECAYED = ("bias", "LayerNorm")


def fit_encoder(
    data: Sequence[Example],
    tasks: Sequence[Task],
    codebook: Codebook,
    recipe: EncoderRecipe,
    target: Path,
    *,
    threads: int,
    say: Callable[[str], None],
) -> None:
    """Fit and write the averaged weights to `target`. The same seed on the same machine gives the same weights."""
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(threads)
    labels = {field: codebook.labels(field) for field in FIELDS}
    fitting = _Fitting(Net(labels, tasks, dropout=recipe.fit.dropout), data, tasks, recipe)
    for step, loss in fitting.run():
        if step % 50 == 0:
            say(f"fit: step {step} of {fitting.steps}, loss {loss:.3f}")
    save_weights(fitting.averaged(), labels, target)


class _Fitting:
    """The state of one run."""

    def __init__(self, net: Net, data: Sequence[Example], tasks: Sequence[Task], recipe: EncoderRecipe) -> None:
        self._net, self._data, self._tasks = net, data, tasks
        self._choices: FitChoices = recipe.fit
        self._auxiliary: AuxiliaryChoices = recipe.auxiliary
        self._random = random.Random(recipe.seed)  # noqa: S311, no secret hangs on it
        self._pieces = WordPieces.read(pretrained_folder() / TOKENIZER_FILE)
        self._mask: int = self._pieces.tokenizer.token_to_id("[MASK]")
        self.steps = int(math.ceil(len(data) / recipe.fit.batch) * recipe.fit.epochs)
        self._label_weights = {field: _label_weights(data, field, recipe.fit) for field in FIELDS}
        self._optimiser = torch.optim.AdamW(_groups(net, recipe.fit), betas=(0.9, 0.98))
        self._average = {
            name: values.detach().clone()
            for name, values in net.state_dict().items()
            if values.dtype.is_floating_point
        }

    def run(self) -> Iterator[tuple[int, float]]:
        """Yields the number and the loss of each step."""
        due = 0.0
        self._net.train()
        for step, batch in enumerate(self._batches()):
            done = step / self.steps
            self._set_rates(done)
            loss = self._loss([self._data[position] for position in batch])
            loss.backward()
            due += self._auxiliary.per_step * (1 - done / 2)
            while due >= 1 and self._tasks:
                due -= 1
                self._task_loss().backward()
            torch.nn.utils.clip_grad_norm_(self._net.parameters(), _LARGEST_GRADIENT)
            self._optimiser.step()
            self._optimiser.zero_grad(set_to_none=True)
            self._follow(step)
            yield step, loss.item()

    def averaged(self) -> Net:
        """The network with the moving average of its weights."""
        self._net.load_state_dict({**self._net.state_dict(), **self._average})
        self._net.eval()
        return self._net

    def _batches(self) -> Iterator[list[int]]:
        size, left = self._choices.batch, self.steps
        while left > 0:
            order = list(range(len(self._data)))
            self._random.shuffle(order)
            batches = []
            for start in range(0, len(order), size * _SORTED_BATCHES):
                part = sorted(
                    order[start : start + size * _SORTED_BATCHES], key=lambda n: len(self._data[n].pieces[0])
                )
                batches += [part[first : first + size] for first in range(0, len(part), size)]
            self._random.shuffle(batches)
            yield from batches[:left]
            left -= len(batches)

    def _set_rates(self, done: float) -> None:
        choices = self._choices
        cosine = 0.5 * (1 + math.cos(math.pi * done)) * (1 - choices.last_rate) + choices.last_rate
        for group in self._optimiser.param_groups:
            group["lr"] = group["base"] * min(1.0, done / choices.warm_up) * cosine

    def _loss(self, batch: Sequence[Example]) -> Any:
        """Cross-entropy with smoothed targets per field, weighted by label, example and field."""
        choices = self._choices
        vectors = self._net.vectors(
            [example.pieces for example in batch], masking=choices.word_masking, mask=self._mask
        )
        total = torch.zeros(())
        for field in FIELDS:
            target = torch.tensor(np.stack([example.targets[field] for example in batch]))
            target = target * (1 - choices.label_smoothing) + choices.label_smoothing / target.shape[1]
            weights = torch.tensor([example.weights[field] for example in batch])
            chances = functional.log_softmax(self._net.heads[field](vectors), dim=-1)
            by_label = (target * self._label_weights[field]).sum(-1)
            loss = -((target * chances).sum(-1) * by_label * weights).mean()
            total = total + choices.fields[field] * loss
        return total

    def _task_loss(self) -> Any:
        shares = [self._auxiliary.shares[task.name] for task in self._tasks]
        [task] = self._random.choices(self._tasks, shares)
        rows = self._random.sample(range(len(task.texts)), min(self._choices.batch, len(task.texts)))
        pieces = [self._pieces.pieces(task.texts[row], None) for row in rows]
        vectors = self._net.vectors(pieces, masking=self._choices.word_masking, mask=self._mask)
        scores = self._net.aux[task.name](vectors)
        if not task.several:
            truth = torch.tensor([task.truth[row][0] for row in rows])
            return self._auxiliary.weight_one * functional.cross_entropy(scores, truth)
        target = torch.zeros_like(scores)
        for position, row in enumerate(rows):
            target[position, list(task.truth[row])] = 1
        return self._auxiliary.weight_several * functional.binary_cross_entropy_with_logits(scores, target)

    def _follow(self, step: int) -> None:
        decay = min(self._choices.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, values in self._net.state_dict().items():
                if name in self._average:
                    self._average[name].lerp_(values, 1 - decay)


def _label_weights(data: Sequence[Example], field: str, choices: FitChoices) -> Any:
    counts = np.sum([example.targets[field] * example.weights[field] for example in data], axis=0)
    return torch.tensor(label_weights(counts, choices), dtype=torch.float32)


def _groups(net: Net, choices: FitChoices) -> list[dict[str, Any]]:
    """Parameters with their learning rate: lower layers know what holds for all texts and move less."""
    layers = net.bert.config.num_hidden_layers
    groups: list[dict[str, Any]] = []
    for name, values in net.named_parameters():
        rate = choices.head_learning_rate
        if name.startswith("bert."):
            layer = int(name.split("layer.")[1].split(".")[0]) + 1 if "layer." in name else 0
            rate = choices.learning_rate * choices.layer_decay ** (layers - layer)
        decay = 0.0 if any(part in name for part in _UNDECAYED) else choices.weight_decay
        groups.append({"params": [values], "lr": rate, "base": rate, "weight_decay": decay})
    return groups
