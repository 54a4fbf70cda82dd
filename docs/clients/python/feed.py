"""Reads the feed of a Samspor gateway into an SQLite database, from where it came last, and has each effect once.

Every batch is proved by its number, sum and hash, and stored in one transaction with the cursor behind it. So it may be killed
at any moment: it reads on from what is stored. README.md says what it needs.
"""

import argparse
import hashlib
import ipaddress
import pathlib
import queue
import sqlite3
import sys
import time
from decimal import Decimal

import grpc
from samspor.v1 import feed_pb2 as feed

SERVICE = "/samspor.v1.FeedService/"
TABLES = """
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT, hash BLOB, position INTEGER);
CREATE TABLE IF NOT EXISTS posting (id TEXT PRIMARY KEY, revision INTEGER, is_tagged INTEGER, ore INTEGER, record BLOB);
INSERT OR IGNORE INTO place VALUES (1, '', zeroblob(32), 0);
"""
KEEP = """INSERT INTO posting VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision,
is_tagged = excluded.is_tagged, ore = excluded.ore, record = excluded.record WHERE excluded.revision > revision"""
NEVER_READ_ON = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.OUT_OF_RANGE)


def is_this_machine(address):
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def connect(options):
    """A channel to the gateway: over TLS, but to this machine where neither --ca nor --cert is given."""
    if is_this_machine(options.address) and not (options.ca or options.cert):
        return grpc.insecure_channel(options.address)
    ca, key, cert = (path and path.read_bytes() for path in (options.ca, options.key, options.cert))
    return grpc.secure_channel(options.address, grpc.ssl_channel_credentials(ca, key, cert))


def token(options):
    """What a call says of who calls. The file is read for each, since others may renew it."""
    return options.token_file and [("authorization", "Bearer " + options.token_file.read_text().strip())]


def record_of(said):
    return getattr(said.record, said.record.WhichOneof("record"))


def prove(batch, chain):
    """The hash after a batch; ends the program where the batch is not whole."""
    for said in batch.records:
        chain = hashlib.sha256(chain + said.message_id.encode()).digest()
    total = sum((Decimal(record_of(said).amount) for said in batch.records), Decimal(0))
    if (len(batch.records), total, chain) != (batch.count, Decimal(batch.sum), batch.sha256):
        sys.exit("a batch is missing, or came twice or changed: begin anew with --anew, and report it")
    return chain


def store(database, answer, chain):
    """Stores records, cursor and hash in one transaction."""
    with database:
        for said in getattr(answer, "records", ()):
            record = record_of(said)
            posting, ore = said.message_id.rsplit(":", 1)[0], int(Decimal(record.amount) * 100)
            whole = said.record.SerializeToString()
            database.execute(KEEP, (posting, record.revision, record.HasField("tag"), ore, whole))
        place = (answer.cursor, chain, answer.position)
        database.execute("UPDATE place SET cursor = ?, hash = ?, position = ?", place)


def read(channel, database, options):
    """Reads until the stream ends; with `once`, until the end of the feed."""
    cursor, chain = database.execute("SELECT cursor, hash FROM place").fetchone()
    says = queue.SimpleQueue()
    says.put(feed.SubscribeRequest(start=feed.SubscribeStart(cursor=cursor, form=options.form)))
    give = lambda records: says.put(feed.SubscribeRequest(credit=feed.SubscribeCredit(records=records)))
    give(options.credit)
    subscribe = channel.stream_stream(
        SERVICE + "Subscribe", feed.SubscribeRequest.SerializeToString, feed.SubscribeResponse.FromString)
    try:
        for response in subscribe(iter(says.get, None), metadata=token(options)):
            answer = getattr(response, response.WhichOneof("response"))
            if response.HasField("batch"):
                chain = prove(answer, chain)
                give(answer.count)
            store(database, answer, chain)
            print(answer.position, getattr(answer, "count", 0), flush=True)
            if options.once and answer.caught_up:
                return
    finally:
        says.put(None)


def compare(channel, database, options):
    """Holds what is stored against the gateway's books. Answers whether that could be done: both at one position."""
    ask = channel.unary_unary(
        SERVICE + "GetExpected", feed.GetExpectedRequest.SerializeToString, feed.GetExpectedResponse.FromString)
    right = ask(feed.GetExpectedRequest(), metadata=token(options))
    position = database.execute("SELECT position FROM place").fetchone()[0]
    has = database.execute("SELECT count(*), coalesce(sum(ore), 0) FROM posting WHERE is_tagged").fetchone()
    if position == right.position and has != (right.count, int(Decimal(right.sum) * 100)):
        sys.exit(f"the gateway's books say {right.count} postings and {right.sum}: begin anew, and report it")
    return position == right.position


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help="the gateway's front, such as 127.0.0.1:50461")
    parser.add_argument("database", help="the SQLite file; it is made where there is none")
    parser.add_argument("--form", type=lambda word: feed.FeedForm.Value("FEED_FORM_" + word.upper()), default="ledger")
    parser.add_argument("--credit", type=int, default=500, help="records that may be under way")
    parser.add_argument("--once", action="store_true", help="read to the end, compare with the books, and end")
    parser.add_argument("--anew", action="store_true", help="drop everything, and begin at the beginning")
    parser.add_argument("--ca", type=pathlib.Path, help="who signs the gateway's certificate, in PEM; else those that gRPC knows")
    parser.add_argument("--cert", type=pathlib.Path, help="the certificate to show, in PEM")
    parser.add_argument("--key", type=pathlib.Path, help="its private key, in PEM")
    parser.add_argument("--token-file", type=pathlib.Path, help="a file with a bearer token")
    options = parser.parse_args()
    if bool(options.cert) != bool(options.key):
        parser.error("--cert and --key go together")
    database = sqlite3.connect(options.database)
    if options.anew:
        database.executescript("BEGIN; DROP TABLE IF EXISTS place; DROP TABLE IF EXISTS posting; COMMIT")
    database.executescript(TABLES)
    with connect(options) as channel:
        while True:
            try:
                read(channel, database, options)
                if options.once and compare(channel, database, options):
                    return
            except grpc.RpcError as error:
                if error.code() in NEVER_READ_ON:
                    sys.exit(f"{error.details()} (--anew)")
                print(f"{error.details()}; trying again", file=sys.stderr)
                time.sleep(1)


if __name__ == "__main__":
    main()
