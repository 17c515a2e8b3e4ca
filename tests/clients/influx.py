"""InfluxDB's own client against a running service: python influx.py URL."""

import sys

from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
from influxdb_client.rest import ApiException

START = 1_767_225_600

with InfluxDBClient(url=sys.argv[1], token=sys.argv[2] if len(sys.argv) > 2 else "", org="o") as client:
    print("pong", client.ping())

    with client.write_api(write_options=SYNCHRONOUS) as api:
        point = Point("weather").tag("device", "py-1").tag("site", "roof, north")
        point = point.field("temperature", 21.5).field("humidity", 40).field("note", 'it is "fine"')
        api.write("b", record=point.time(START, WritePrecision.S))

    # In the background, compressed, in batches: as programs use it.
    with InfluxDBClient(url=sys.argv[1], token=client.token, org="o", enable_gzip=True) as packed:
        with packed.write_api(write_options=WriteOptions(batch_size=100, max_retries=3)) as api:
            for at in range(500):
                point = Point("weather").tag("device", "py-batch").field("value-of", float(at))
                api.write("b", record=point.time((START + at) * 10**9))
    print("written")

    with client.write_api(write_options=SYNCHRONOUS) as api:
        try:
            api.write("b", record="m,device=py-2 a=1 1767225600000000000\nm,device=py-2 a=1 5")
        except ApiException as error:
            import json

            body = json.loads(error.body)
            print("refused", error.status, body["code"], body["line"])
