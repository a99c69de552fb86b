"""Journeymap as a service: web, worker, commands."""

import os

# Products of small matrices: with threads of its own, numpy's library (OpenBLAS) spends as much processor time on
# waiting for them as on the products, and takes it from the other processes of a small machine. It reads this when
# numpy is imported; whoever sets it otherwise is left alone.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
