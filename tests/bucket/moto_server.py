"""moto's S3 with one bucket: BUCKET. Prints its address and ends when standard input does."""

import logging
import sys

import boto3
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=sys.argv[1])
print(url, flush=True)
sys.stdin.read()
server.stop()
