"""Runs other people's detectors for evaluate::peers: reads N.train and N.test (32-bit floats, row after row) for each task
of DIR/tasks.json, writes N.scores (64-bit floats), and prints how long training and scoring took."""
import json
import pathlib
import sys
import time

import numpy


def isolation_forest(train, seed):
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=100, max_samples=min(256, len(train)), random_state=seed, n_jobs=1).fit(train)


def run(method, train, test, seed):
    """Scores, seconds of training and seconds of scoring."""
    begin = time.perf_counter()
    if method == "isolation_forest":
        model = isolation_forest(train, seed)
        trained = time.perf_counter()
        scores = -model.score_samples(test)
    elif method == "isolation_forest_by_row":
        model = isolation_forest(train, seed)
        trained = time.perf_counter()
        scores = [-model.score_samples(row.reshape(1, -1))[0] for row in test]
    elif method == "half_space_trees":
        from river import anomaly, compose, preprocessing

        model = compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=seed))
        names = [str(column) for column in range(test.shape[1])]
        rows = [dict(zip(names, map(float, row))) for row in test]
        trained = time.perf_counter()
        scores = []
        for row in rows:
            scores.append(model.score_one(row))
            model.learn_one(row)
    elif method == "random_cut_forest":
        import rcf3

        model = rcf3.Forest(test.shape[1], shingle_size=8 if test.shape[1] == 1 else 1, seed=seed)
        rows = [list(map(float, row)) for row in test]
        trained = time.perf_counter()
        scores = []
        for row in rows:
            scores.append(model.update_and_score(row))
    else:
        sys.exit(f"unknown method: {method}")
    return scores, trained - begin, time.perf_counter() - trained


def main():
    directory = pathlib.Path(sys.argv[1])
    answers = []
    for number, task in enumerate(json.loads((directory / "tasks.json").read_text())):
        train, test = (
            numpy.fromfile(directory / f"{number}.{part}", "<f4").reshape(-1, task["columns"]) for part in ("train", "test")
        )
        scores, train_seconds, score_seconds = run(task["method"], train, test, task["seed"])
        numpy.asarray(scores, "<f8").tofile(directory / f"{number}.scores")
        answers.append({"train_seconds": train_seconds, "score_seconds": score_seconds})
    print(json.dumps(answers))


main()
