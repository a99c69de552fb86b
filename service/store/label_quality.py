"""How good the model's labels are on a workspace's own feedback, as far as anybody can know."""

from __future__ import annotations

from typing import Final

LABEL_QUALITY: Final = "unknown on your data"
"""Until people have judged a random part of the workspace's items without seeing the model's labels. Measures on
other companies' feedback do not carry over (a confusion matrix from elsewhere makes shares worse), and items that
were looked at because the model was unsure of them are no random part. Intervals therefore speak of chance alone,
never of wrong labels.
"""
