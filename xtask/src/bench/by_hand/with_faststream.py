"""What people write by hand, with FastStream: match against a dictionary, publish, wait for the confirm, acknowledge."""

import asyncio
import json
import os
import sys

from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

source, target, enrolled = sys.argv[1], sys.argv[2], set(json.load(open(sys.argv[3])))
broker = RabbitBroker(os.environ["SAMSPOR_AMQP_URL"], default_channel=Channel(prefetch_count=1000), log_level=40)


@broker.subscriber(RabbitQueue(source, declare=False))
async def handle(posting: dict):
    if posting["citizen"]["cpr"] in enrolled:
        posting["solution"] = "bench"
        await broker.publish(json.dumps(posting).encode(), RabbitQueue(target, declare=False), persist=True, mandatory=True)


asyncio.run(FastStream(broker).run())
