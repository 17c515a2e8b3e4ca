"""scikit-learn's Isolation Forest beside ours, on the same rows and on the same trees.

`sklearn_forest.py fixture` prints tests/sklearn/forest.json: a small forest of scikit-learn's in our byte form, rows, and the
scores that scikit-learn gives them, so that `cargo test` compares without Python. `sklearn_forest.py compare PROGRAM` runs the
example `forest` (built in release) on 20,000 rows: with trees of its own for speed and agreement of the ranking, and
with scikit-learn's trees for the difference of the scores; prints one JSON object.
"""

import json
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length


def byte_form(forest, columns):
    """Our byte form, as the first lines of src/scorer/forest.rs describe it."""
    sample = forest.max_samples_
    height = max(int(numpy.ceil(numpy.log2(sample))), 1)
    nodes, leaves = bytearray(), bytearray()
    for tree in forest.estimators_:
        splits = [(0, float("inf"))] * (1 << height)
        paths = [0] * (1 << height)
        stack = [(0, 1, 0)]
        inner = tree.tree_
        while stack:
            node, at, level = stack.pop()
            if inner.children_left[node] == -1:
                edges = level + _average_path_length(numpy.array([inner.n_node_samples[node]]))[0]
                first = (at << (height - level)) - (1 << height)
                for leaf in range(first, first + (1 << (height - level))):
                    paths[leaf] = round(edges * 1024)
                continue
            threshold = inner.threshold[node]
            # The largest f32 that goes left; never -0.
            single = numpy.float32(threshold)
            if numpy.float64(single) > threshold:
                single = numpy.nextafter(single, numpy.float32(-numpy.inf))
            splits[at] = (int(inner.feature[node]), float(single) + 0.0)
            stack.append((inner.children_left[node], 2 * at, level + 1))
            stack.append((inner.children_right[node], 2 * at + 1, level + 1))
        nodes += b"".join(struct.pack("<Hf", *split) for split in splits)
        leaves += struct.pack(f"<{len(paths)}H", *paths)
    return struct.pack("<HHH", len(forest.estimators_), columns, sample) + bytes(nodes) + bytes(leaves)


def some_rows(count, columns, seed):
    """Bell-shaped, one column constant, one of few values, a twentieth of the rows further out."""
    random = numpy.random.default_rng(seed)
    rows = random.normal(size=(count, columns))
    rows[:, 1] = 7.0
    rows[:, 2] = numpy.round(rows[:, 2])
    far = random.random(count) < 0.05
    rows[far] *= 1.6
    return rows.astype(numpy.float32), far


def fixture():
    rows, _ = some_rows(160, 4, 5)
    forest = IsolationForest(n_estimators=6, max_samples=40, random_state=5).fit(rows[:100])
    print(json.dumps({
        "made_by": f"scikit-learn {sklearn.__version__}",
        "forest": byte_form(forest, 4).hex(),
        "rows": [[float(value) for value in row] for row in rows],
        "scores": [float(-score) for score in forest.score_samples(rows)],
    }, separators=(",", ":")))


def run(program, folder, rows, *more):
    files = [str(folder / "rows"), str(rows.shape[1]), str(folder / "scores"), *more]
    rows.tofile(folder / "rows")
    figures = json.loads(subprocess.run([program, *files], check=True, capture_output=True, text=True).stdout)
    return figures, numpy.fromfile(folder / "scores", dtype="<f8")


def best_of(times, action):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def auroc(scores, labels):
    order = numpy.argsort(numpy.argsort(scores, kind="stable"), kind="stable") + 1.0
    ones = labels.sum()
    return float((order[labels].sum() - ones * (ones + 1) / 2) / (ones * (len(labels) - ones)))


def compare(program):
    rows, far = some_rows(20_000, 12, 1)
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=1)
    theirs = {
        "growing_ms": 1e3 * best_of(3, lambda: forest.fit(rows)),
        "batch_rows_per_s": len(rows) / best_of(3, lambda: forest.score_samples(rows)),
        "one_at_a_time_rows_per_s": 100 / best_of(2, lambda: [forest.score_samples(row[None]) for row in rows[:100]]),
    }
    scores = -forest.score_samples(rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "forest").write_bytes(byte_form(forest, rows.shape[1]))
        ours, own = run(program, folder, rows)
        _, same_trees = run(program, folder, rows, str(folder / "forest"))
    print(json.dumps({
        "scikit_learn": {"version": sklearn.__version__, **theirs, "auroc": auroc(scores, far)},
        "ours": {**ours, "auroc": auroc(own, far)},
        "largest_difference_on_the_same_trees": float(numpy.abs(same_trees - scores).max()),
    }, indent=1))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fixture"]:
            fixture()
        case ["compare", program]:
            compare(program)
        case _:
            sys.exit("usage: sklearn_forest.py fixture | compare PROGRAM")
