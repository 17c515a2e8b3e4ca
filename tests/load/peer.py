"""What `scripts/bench ingest --peers` runs beside ours: the service that people write with Flask, scikit-learn and SQLite.

A prediction is scored by an Isolation Forest of 100 trees, written into SQLite with its verdict, committed, and answered.
SQLite syncs at each commit, as it does by default. Started by gunicorn, with one worker for each core:

    gunicorn --worker-class gthread --workers 2 --threads 16 --bind 127.0.0.1:5000 peer:app
"""

import os
import sqlite3
import threading

import numpy
from flask import Flask, jsonify, request
from sklearn.ensemble import IsolationForest

DATABASE = os.environ.get("PEER_DATABASE", "peer.sqlite")
METRICS = ("temperature_c", "humidity_pct", "sound_db")

random = numpy.random.default_rng(1)
model = IsolationForest(n_estimators=100, random_state=1).fit(random.normal((22, 48, 50), (3, 3, 2), (2_000, 3)))
app = Flask(__name__)
local = threading.local()


def database():
    """This thread's connection; the first one makes the table."""
    if not hasattr(local, "connection"):
        local.connection = sqlite3.connect(DATABASE, timeout=30)
        local.connection.execute("PRAGMA journal_mode = WAL")
        local.connection.execute("PRAGMA synchronous = FULL")
        local.connection.execute(
            "CREATE TABLE IF NOT EXISTS prediction (timestamp REAL, station TEXT, sequence INTEGER,"
            " temperature_c REAL, humidity_pct REAL, sound_db REAL, score REAL, is_anomaly INTEGER)"
        )
        local.connection.commit()
    return local.connection


@app.post("/predict")
def predict():
    reading = request.get_json()
    values = [float(reading[metric]) for metric in METRICS]
    score = float(-model.score_samples([values])[0])
    anomaly = bool(score > 0.6)
    connection = database()
    connection.execute(
        "INSERT INTO prediction VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (reading["timestamp"], reading["station_id"], reading["sequence"], *values, score, anomaly),
    )
    connection.commit()
    return jsonify(anomaly_score=score, is_anomaly=anomaly, label="anomaly" if anomaly else "normal", model_version="1")
