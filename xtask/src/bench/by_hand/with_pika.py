"""What people write by hand, with pika: match against a dictionary, publish, wait for the confirm, acknowledge."""

import json
import os
import sys

import pika

source, target, enrolled = sys.argv[1], sys.argv[2], set(json.load(open(sys.argv[3])))
connection = pika.BlockingConnection(pika.URLParameters(os.environ["SAMSPOR_AMQP_URL"]))
channel = connection.channel()
channel.basic_qos(prefetch_count=1000)
channel.confirm_delivery()
persistent = pika.BasicProperties(delivery_mode=2, content_type="application/json")


def handle(channel, method, properties, body):
    posting = json.loads(body)
    if posting["citizen"]["cpr"] in enrolled:
        posting["solution"] = "bench"
        channel.basic_publish("", target, json.dumps(posting), properties=persistent, mandatory=True)
    channel.basic_ack(method.delivery_tag)


channel.basic_consume(source, handle)
channel.start_consuming()
