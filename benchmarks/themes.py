"""How good themes are, and how long grouping takes: `make bench-themes`.

*Good*: texts with native labels (Banking77's intents, NHS comments' subcategories), each source as one lot; each
way of grouping makes as many groups as there are labels, from the same vectors. AMI and V-measure; ways that leave
texts out are compared on what they group, with the coverage beside. *Time*: the jobs themselves, in a database of
their own, on one segment a text with the fast tier's labels: first "vectors", which reads each text once for the
search by meaning and for themes, then "themes", which finds what it stored; then the same with a day's 2 % on top;
with the agreement of these themes with native labels within stage, topic and side.
Each size runs in a process of its own, set up as the service is. With `--unread` the job "vectors" is left out,
and "themes" reads what it needs. With `--tagged` the job "classify" comes first, with the accurate tier's labels.

    python -m benchmarks.themes [--corpus FOLDER] [--texts 1000 3000] [--segments 10000] [--unread] [--tagged]
                                [--figures FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.native_labels import CORPUS, rows_of
from benchmarks.theme_times import LEAST_CELL, in_own_process
from nlp import themes as groups_of
from nlp.likeness import Likeness, readable
from nlp.named_themes import named
from nlp.pipeline import Pipeline
from nlp.theme_names import Said

READ = Path("data/evaluation/themes/blind.tsv")
Labels = np.ndarray[Any, np.dtype[np.int64]]


def k_means(rows: Any, groups: int) -> Labels:
    """scikit-learn's, ten starts."""
    from sklearn.cluster import KMeans

    found: Labels = KMeans(groups, n_init=10, random_state=0).fit_predict(rows).astype(np.int64)
    return found


def hdbscan(rows: Any, _groups: int) -> Labels:
    """scikit-learn's HDBSCAN with BERTopic's least size; it chooses the number of groups itself."""
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import PCA

    reduced = PCA(min(5, rows.shape[1], len(rows)), random_state=0).fit_transform(rows)
    found: Labels = HDBSCAN(min_cluster_size=10, copy=True).fit_predict(reduced).astype(np.int64)
    return found


def scores(native: Labels, group: Labels) -> dict[str, float]:
    """Agreement on what was grouped, and how much was."""
    from sklearn.metrics import adjusted_mutual_info_score, v_measure_score

    inside = group >= 0
    return {
        "ami": round(float(adjusted_mutual_info_score(native[inside], group[inside])), 3),
        "v_measure": round(float(v_measure_score(native[inside], group[inside])), 3),
        "coverage": round(float(inside.mean()), 3),
        "groups": len(np.unique(group[inside])),
    }


def quality(
    corpus: Path,
    source: str,
    most: int,
    likenesses: dict[str, Likeness],
    *,
    lent: Path | None = None,
    peers: Path | None = None,
) -> dict[str, Any]:
    """All ways of grouping on one source."""
    rows = rows_of(corpus, source, most)
    texts = [readable(text) for text, _ in rows]
    kinds, native = np.unique([label for _, label in rows], return_inverse=True)
    found: dict[str, Any] = {"texts": len(rows), "native_labels": len(kinds)}
    ways: dict[str, Callable[[Any, int], Labels]] = {
        "ours": lambda vectors, groups: groups_of.find(vectors, groups=groups),
        "ours, its own number of groups": lambda vectors, _: groups_of.find(vectors),
        "k-means": k_means,
        "HDBSCAN": hdbscan,
    }
    for name, likeness in likenesses.items():
        started = time.perf_counter()
        vectors = likeness.vectors(texts)
        speed = round(len(texts) / (time.perf_counter() - started))
        of = {way: scores(native, group(vectors, len(kinds))) for way, group in ways.items()}
        half = len(texts) // 2
        first = groups_of.find(vectors[:half])
        later = groups_of.nearest(vectors[half:], groups_of.centres(vectors[:half], first))
        of["ours, later half joined to the first half's groups"] = scores(native[half:], later.group)
        if name == "words and meaning":
            if lent is not None:
                lend(lent, source, texts, vectors, len(kinds))
            if peers is not None:
                theirs = peers_of(peers, source, native)
                for way, one in theirs.items():
                    if way.startswith("BERTopic, ") and isinstance(one, dict):
                        like = surest(vectors, groups_of.find(vectors, groups=int(one["groups"])), one["coverage"])
                        of[f"ours, groups and coverage as {way}"] = scores(native, like)
                of.update(theirs)
            cells = cells_of(texts, Pipeline.load(None, "fast"))
            found["within_stage_and_topic"] = blind(texts, native, vectors, likeness, cells) | {
                "as many groups as labels": within(source, texts, native, vectors, cells, lent=lent, peers=peers)
            }
        found[name] = {"texts_a_second": speed, **of}
    return found


def cells_of(texts: list[str], fast: Pipeline) -> dict[tuple[str, str, bool], Labels]:
    """The lots that the product would make (stage, topic and side, by the fast tier), if they are large enough."""
    chances = fast.probabilities(texts, [None] * len(texts))
    labels = {
        name: [fast.artifact.model.labels[name][at] for at in chances[name].argmax(axis=1)]
        for name in ("stage", "topic", "sentiment")
    }
    found: dict[tuple[str, str, bool], list[int]] = {}
    for at, (stage, topic, feeling) in enumerate(zip(*labels.values(), strict=True)):
        if stage != "none":
            found.setdefault((stage, topic, feeling == "positive"), []).append(at)
    return {cell: np.array(own) for cell, own in sorted(found.items()) if len(own) >= LEAST_CELL}


def within(
    source: str,
    texts: list[str],
    native: Labels,
    vectors: Any,
    cells: dict[tuple[str, str, bool], Labels],
    *,
    lent: Path | None,
    peers: Path | None,
) -> dict[str, dict[str, float]]:
    """All ways of grouping inside each lot, as many groups as it has labels; means weighted by grouped texts."""
    scored: dict[str, list[dict[str, float]]] = {}
    for number, own in enumerate(cells.values()):
        labels, rows = native[own], vectors[own]
        groups, name = len(np.unique(labels)), f"{source}-lot{number}"
        if groups < 2:
            continue
        if lent is not None:
            lend(lent, name, [texts[at] for at in own], rows, groups)
        ours = groups_of.find(rows, groups=groups)
        ways = {"ours": scores(labels, ours), "k-means": scores(labels, k_means(rows, groups))}
        if peers is not None:
            theirs = peers_of(peers, name, labels)
            if reduced := theirs.get("BERTopic, reduced to as many"):  # in small lots it makes fewer
                fewer = groups_of.find(rows, groups=max(1, int(reduced["groups"])))
                ways["ours, as many groups as BERTopic"] = scores(labels, fewer)
                least = surest(rows, fewer, reduced["coverage"])
                ways["ours, as many groups as BERTopic, as much left out"] = scores(labels, least)
            ways |= {way: one for way, one in theirs.items() if isinstance(one, dict)}
        for way, one in ways.items():
            scored.setdefault(way, []).append(one | {"texts": len(own)})
    found = {}
    for way, some in scored.items():
        texts_of = np.array([one["texts"] for one in some])
        grouped = texts_of * np.array([one["coverage"] for one in some])
        found[way] = {
            "ami": round(float(np.average([one["ami"] for one in some], weights=grouped)), 3),
            "v_measure": round(float(np.average([one["v_measure"] for one in some], weights=grouped)), 3),
            "coverage": round(float(grouped.sum() / texts_of.sum()), 3),
            "groups": sum(int(one["groups"]) for one in some),
            "lots": len(some),
            "texts": int(texts_of.sum()),
        }
    return found


def blind(
    texts: list[str], native: Labels, vectors: Any, likeness: Likeness, cells: dict[tuple[str, str, bool], Labels]
) -> dict[str, Any]:
    """Held-out texts put to the names of the themes of their stage, topic and side (no reader)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import adjusted_mutual_info_score

    right: dict[str, list[bool]] = {"by letters": [], "by the encoder that grouped": []}
    themes, unassigned, agreed, weights = 0, [], [], []
    for own in cells.values():
        rows, said = vectors[own], [texts[at] for at in own]
        held = np.arange(len(own)) % 5 == 0
        found = named(
            rows,
            [Said(text, at) for at, text in enumerate(said)],
            groups_of.find(rows),
            alike=likeness.vectors,
            shown=~held,
        )
        group, called = found.group, found.called
        unassigned.extend((group < 0).tolist())
        agreed.append(adjusted_mutual_info_score(native[own][group >= 0], group[group >= 0]))
        weights.append(len(own))
        known = [n for n in called if called[n]]
        chosen = np.flatnonzero(held & np.isin(group, known))
        if len(known) < 2 or not len(chosen):
            continue
        themes += len(known)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit(said)
        spelt = letters.transform([said[at] for at in chosen]) @ letters.transform([called[n] for n in known]).T
        meant = rows[chosen] @ likeness.vectors([called[n] for n in known]).T
        for way, near in zip(right, (spelt.toarray(), meant), strict=True):
            right[way].extend((np.array(known)[near.argmax(axis=1)] == group[chosen]).tolist())
    return {
        "themes": themes,
        "texts": len(right["by letters"]),
        "ami_within_cells": round(float(np.average(agreed, weights=weights)), 3),
        "unassigned_within_cells": round(float(np.mean(unassigned)), 3),
        "right": {way: round(float(np.mean(found)), 3) for way, found in right.items()},
    }


def read_blind(path: Path) -> dict[str, Any]:
    """What a reader got right who saw held-out texts and the names of their cell's themes, nothing else."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    found: dict[str, Any] = {}
    for rehearsal, source in sorted({(row[0], row[1]) for row in rows} | {(row[0], "all") for row in rows}):
        own = [row[3] == row[4] for row in rows if row[0] == rehearsal and source in (row[1], "all")]
        low, high = wilson(sum(own), len(own))
        found[f"{rehearsal}, {source}"] = {"texts": len(own), "right": sum(own), "interval": [low, high]}
    return found


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. Wilson, JASA 22, 1927)."""
    z, share = 1.96, right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return round(middle - half, 3), round(middle + half, 3)


def peers_of(folder: Path, source: str, native: Labels) -> dict[str, Any]:
    """What `benchmarks/theme_peers.py` left there, scored as ours."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob(f"{source}.*.peer.json")):
        answer = json.loads(path.read_text(encoding="utf-8"))
        for way, group in answer["groups"].items():
            found[way] = scores(native, np.array(group))
        found[f"{path.name.split('.')[1]}, all its ways, seconds of processor time"] = answer["cpu_seconds"]
    return found


def surest(vectors: Any, group: Labels, coverage: float) -> Labels:
    """The same groups without the rows whose neighbours agree least with them; of equal ones the nearer stay."""
    alike = np.einsum("ij,ij->i", vectors, groups_of.centres(vectors, group)[group])
    sure = groups_of.agreement(vectors, group) + 1e-3 * alike
    return np.where(sure >= np.quantile(sure, 1 - coverage), group, -1)


def lend(folder: Path, source: str, texts: list[str], vectors: Any, groups: int) -> None:
    """Write what the peers are to group."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{source}.npz", vectors=vectors, groups=groups)
    (folder / f"{source}.texts.json").write_text(json.dumps(texts), encoding="utf-8")


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--texts", type=int, nargs="*", default=[1_000, 3_000], help="of each source, at most")
    parser.add_argument("--segments", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--unread", action="store_true", help="measure grouping without stored vectors")
    parser.add_argument("--tagged", action="store_true", help="have the accurate tier tag the texts first")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--lend", type=Path, help="where to leave texts and vectors for benchmarks/theme_peers.py")
    parser.add_argument("--peers", type=Path, help="where benchmarks/theme_peers.py has left its groups")
    arguments = parser.parse_args()
    artifact = Pipeline.load(None, "accurate").artifact
    whole = Likeness.of_artifact(artifact, "accurate")
    likenesses = {"words and meaning": whole, "words": Likeness(whole.version, whole.linear, None)}
    found: dict[str, Any] = {
        "quality": {
            str(texts): {
                source: quality(
                    arguments.corpus,
                    source,
                    texts,
                    likenesses,
                    lent=arguments.lend and arguments.lend / str(texts),
                    peers=arguments.peers and arguments.peers / str(texts),
                )
                for source in ("bank", "nhs")
            }
            for texts in arguments.texts
        },
        "read_blind": read_blind(READ),
    }
    found["time"] = [
        in_own_process(arguments.corpus, one, arguments.unread, arguments.tagged) for one in arguments.segments
    ]
    found["load_average"] = [round(one, 1) for one in os.getloadavg()]
    written = json.dumps(found, indent=1)
    print(written)
    if arguments.figures:
        arguments.figures.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
