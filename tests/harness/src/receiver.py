"""An HTTP receiver for tests: Python's own server, over TLS unless told otherwise.

Told on standard input how to answer, one JSON object a line: `script` (answers to the next requests), `by_posting`
(answers by posting id), `default`. A request in NDJSON has several records and one answer; keys are of one path. Says on
standard output its port, each request with what it holds, and `told` for each line that it was told. With `book` in its settings it writes what it takes to that file instead, a line each, and
with `seed` it chooses by each record's key which it accepts, which it rejects, and on which tries it is busy or hangs up.
"""

import base64
import http.server
import json
import queue
import ssl
import sys
import threading
import zlib

settings = json.loads(sys.argv[1])
told = {"script": [], "by_posting": {}, "default": {"status": 200}}
taken = {}
tries = {}
book = open(settings["book"], "a") if settings.get("book") else None
lock = threading.Lock()


said = queue.SimpleQueue()


def say(what):
    said.put(json.dumps(what))


def tell():
    """Whoever started this may read late: an answer must not wait for room in the pipe."""
    while True:
        print(said.get(), flush=True)


def write(what):
    with lock:
        book.write(json.dumps(what) + "\n")
        book.flush()


def chosen(key):
    """What the seed says of a record: the same receipt whenever it comes, and now and then trouble before that."""
    def of(times, what):
        return zlib.crc32(f"{settings['seed']}:{key}:{what}".encode()) % times == 0

    tries[key] = tries.get(key, 0) + 1
    if of(40, f"busy {tries[key]}"):
        return {"status": 503}
    answer = {"receipt": "rejected" if of(4, "books") else "accepted"}
    return answer | {"cut": True} if of(40, f"cut {tries[key]}") else answer


def receipt(answer, record):
    fields = {"type": "receipt", "id": "R-1", "source": record["source"], "posting": record["posting"],
              "revision": record["revision"], "status": answer["receipt"], "at": "2026-03-16T04:10:00Z"}
    return json.dumps(fields | answer.get("fields", {}))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Or each answer waits for the acknowledgement of its head.

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self):
        if book is None:
            say({"method": "OPTIONS", "port": self.client_address[1]})
        self.answer(204, {}, "")

    def do_GET(self):
        if book is None:
            say({"method": "GET"})
        self.answer(200, {}, "")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = raw.decode(errors="backslashreplace")
        key = self.headers["Idempotency-Key"]
        if "ndjson" in self.headers["Content-Type"]:
            records = [json.loads(line) for line in body.splitlines()]
        elif "json" in self.headers["Content-Type"]:
            records = [json.loads(body)]
        else:  # What it is in another format, its key says.
            records = [dict(zip(["source", "posting", "revision"], key.split(":")))]
        record = records[0]
        with lock:
            script = told["script"]
            # The answer to one of them is the answer to all.
            answers = [told["by_posting"][one["posting"]] for one in records if one["posting"] in told["by_posting"]]
            by_posting = answers[0] if answers else told["default"]
            answer = script.pop(0) if script else by_posting
            if book is not None:
                answer = chosen(key)
        wanted = settings.get("token")
        if wanted and self.headers["Authorization"] != "Bearer " + wanted:
            answer = {"status": 401}
        known = (self.path, key) in taken
        status = answer.get("status", 200)
        if status < 300 or "cut" in answer:
            if taken.setdefault((self.path, key), body) != body:
                status = 422
        if book is None:
            say({"method": "POST", "path": self.path, "key": key, "known": known, "port": self.client_address[1],
                 "type": self.headers["Content-Type"], "accepts": self.headers["Accept"], "status": status, "record": record,
                 "records": records, "body_base64": base64.b64encode(raw).decode()})
        elif status < 300 or status == 422:
            write({"key": key, "body": body, "receipt": answer.get("receipt")})
        if "hang" in answer:
            threading.Event().wait()
        if "cut" in answer:
            self.close_connection = True
            self.connection.close()
            return
        headers = dict(answer.get("headers", {}))
        body = answer.get("body", "")
        if "receipt" in answer:
            headers.setdefault("Content-Type", "application/json")
            body = receipt(answer, record)
        self.answer(status, headers, body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # Those who hang up are what tests are about.


server = Server(("127.0.0.1", 0), Handler)
if settings.get("certificate"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["certificate"], settings["key"])
    if settings.get("clients"):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(settings["clients"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Thread(target=tell, daemon=True).start()
say({"listens": server.server_address[1]})
for line in sys.stdin:
    with lock:
        told.update(json.loads(line))
    say({"told": True})
