"""A device that signs its readings, by docs/sending.md and Python's `cryptography`: python sign.py URL DEVICE."""

import base64
import json
import sys
import urllib.error
import urllib.request
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def decimal(value):  # as ECMAScript writes numbers from 1e-6 to 1e21: 21.5, 40, 0.001
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")


def sign(key: Ed25519PrivateKey, reading):
    metrics = [{"metric": name, "value": decimal(value)} for name, value in sorted(reading["metrics"].items())]
    signed = {"device": reading["device"], "metrics": metrics, "sequence": reading["sequence"], "time": reading["time"]}
    text = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = key.sign(b"anomaly-ledger/reading/v1\n" + text)
    return {**reading, "signature": base64.b64encode(signature).decode()}


def ask(method, path, body):
    request = urllib.request.Request(sys.argv[1] + path, json.dumps(body).encode(), method=method)
    request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


device = sys.argv[2]
key = Ed25519PrivateKey.generate()
public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
print("registered", ask("POST", "/api/v1/devices", {"name": device})[0])
print("key", ask("PUT", f"/api/v1/devices/{urllib.request.quote(device)}/public-key", {"public_key": public})[0])

# Values that are spelt in more than one way, and names that sort by bytes.
VALUES = [21.5, 40, 40.0, 0.001, -7.25, 123456789.125, 9007199254740991, 0.1 + 0.2, 1.0e-6]
for number, value in enumerate(VALUES, 1):
    metrics = {"wert": value, "Wert": 1, "ä": 2.5}
    reading = {"device": device, "metrics": metrics, "sequence": number, "time": f"2026-01-05T08:00:{number:02}.125Z"}
    status, answer = ask("POST", "/api/v1/readings", sign(key, reading))
    print(status, answer.get("detail") or answer["results"][0]["status"])

reading["sequence"] += 1
print("changed", ask("POST", "/api/v1/readings", {**sign(key, reading), "sequence": reading["sequence"] + 1})[1]["code"])
print("other key", ask("POST", "/api/v1/readings", sign(Ed25519PrivateKey.generate(), reading))[1]["code"])
print("unsigned", ask("POST", "/api/v1/readings", reading)[1]["code"])
print("replayed", ask("POST", "/api/v1/readings", sign(key, {**reading, "sequence": 1}))[1]["code"])
