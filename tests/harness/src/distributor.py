"""A stand-in for the message distributor and its token service: Python's own asyncio and TLS, and nothing else.

The token service issues assertions over HTTPS to whoever shows a certificate of the tests' authority. They are unsigned;
this program knows which ones it issued. The front takes AMQP over TLS from whoever shows such a certificate and logs in by
SASL EXTERNAL with such an assertion, and passes everything else on to a plain RabbitMQ node, where it logs in by PLAIN.

On standard output it says its ports. On the control port it takes a JSON object a line and answers each with one: `set`
changes how it behaves, `check` asks about an assertion, `issue` has one made, `drop` ends every connection that is open,
`show` has it come by another certificate, and every answer has the `counts`.
"""

import asyncio
import base64
import json
import secrets
import ssl
import struct
import sys
import time

settings = json.loads(sys.argv[1])
told = {
    "life_ms": 3_600_000,  # Of the tokens that are issued from now on.
    "lifetime": True,  # Whether the answer says how long, beside the assertion.
    "sts": [],  # What goes wrong with the next requests: see `fault`.
    "sts_down": False,
    "early_ms": 0,  # For how long they do not count yet: their NotBefore.
    "filler": 5000,  # How much longer they are than need be, in bytes: real ones have signatures and certificates.
    "refuse_logins": 0,
    "hang_up": 0,  # How many connections end without a word when they have shown their assertion.
    "cut": False,  # Whether a connection ends with its token.
}
counts = {"asked": 0, "issued": 0, "logins": 0, "refused": 0, "hung_up": 0, "cut": 0, "open": 0}
issued = {}  # Assertions, as they are shown again.
inside = set()  # The writers of those who were let in.

TOKEN_TYPE = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0"
TRUST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/"


def utc(seconds):
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03}Z"


def assertion(audience, holder, life_ms):
    now = time.time()
    begin, end = now + told["early_ms"] / 1000, now + life_ms / 1000
    # As long as real ones are: longer than the smallest frame of AMQP.
    filler = secrets.token_hex(told["filler"] // 2)
    text = (
        f'<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_{secrets.token_hex(16)}" Version="2.0" '
        f'IssueInstant="{utc(now)}"><saml:Issuer>stand-in</saml:Issuer><saml:Subject><saml:SubjectConfirmation>'
        f'<saml:SubjectConfirmationData NotOnOrAfter="2001-01-01T00:00:00Z"/></saml:SubjectConfirmation></saml:Subject>'
        f'<saml:Conditions NotBefore="{utc(begin)}" NotOnOrAfter="{utc(end)}"><saml:AudienceRestriction>'
        f"<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
        f"<saml:Advice>{filler}</saml:Advice></saml:Assertion>"
    ).encode()
    issued[text] = {"audience": audience, "holder": holder, "begin": begin, "end": end}
    counts["issued"] += 1
    return text, {"Created": utc(now), "Expires": utc(end)}


def verdict(token, audience, holder=None):
    known = issued.get(token)
    if known is None:
        return "unknown"
    if known["audience"] != audience:
        return "audience"
    if holder is not None and known["holder"] != holder:
        return "holder"
    now = time.time()
    if now < known["begin"]:
        return "early"
    return "expired" if known["end"] <= now else "good"


# --- The token service


async def request_of(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return head[0].split(" "), json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")


def issue(line, body, holder, fault):
    """The status and what is answered."""
    expected = {
        "TokenType": TOKEN_TYPE,
        "RequestType": TRUST + "Issue",
        "KeyType": TRUST + "PublicKey",
        "AnvenderKontekst": {"Cvr": settings["cvr"]},
        "UseKey": base64.b64encode(holder).decode(),
        "AppliesTo": body.get("AppliesTo"),
        "OnBehalfOf": None,
    }
    if line[:2] != ["POST", "/runtime/api/rest/wstrust/v1/issue"] or body != expected or fault == "forbidden":
        return 403, b'{"Error": "not allowed"}'
    if fault == "error":
        return 500, b"broken"
    if fault == "garbage":
        return 200, b"<html>maintenance</html>"
    if fault == "big":
        return 200, b"[" + b"1," * 1_000_000 + b"1]"
    audience = body["AppliesTo"]["EndpointReference"]["Address"]
    life_ms = -1000 if fault == "ended" else told["life_ms"]
    token, lifetime = assertion("elsewhere" if fault == "audience" else audience, holder, life_ms)
    if fault == "no-end":
        token = token.replace(b"NotOnOrAfter", b"Whenever")
    answer = {"RequestedSecurityToken": {"Assertion": base64.b64encode(token).decode()}}
    if told["lifetime"] and fault != "no-end":
        answer["Lifetime"] = lifetime
    return 200, json.dumps(answer).encode()


async def serve_tokens(reader, writer):
    try:
        line, body = await request_of(reader)
        counts["asked"] += 1
        fault = told["sts"].pop(0) if told["sts"] else None
        if fault == "hang":
            await reader.read()  # Until whoever asked gives up.
        elif not told["sts_down"] and fault != "down":
            holder = writer.get_extra_info("ssl_object").getpeercert(True)
            status, answer = issue(line, body, holder, fault)
            head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + answer)
            await writer.drain()
    except (OSError, EOFError, ssl.SSLError):
        pass
    finally:
        writer.close()


# --- The front


async def frame_of(reader):
    head = await reader.readexactly(7)
    rest = await reader.readexactly(struct.unpack(">I", head[3:])[0] + 1)
    return head, rest[:-1]


def frame(payload):
    return struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce"


def long_string(data):
    return struct.pack(">I", len(data)) + data


def short_string(data):
    return struct.pack(">B", len(data)) + data


def take(payload, at, size):
    """A string or table at a place, whose length stands before it in so many bytes; and where it ends."""
    length = int.from_bytes(payload[at : at + size], "big")
    return payload[at + size : at + size + length], at + size + length


async def log_in(reader, writer, node_reader, node_writer):
    """From the protocol's header to Connection.Open. Whether whoever came is let in, and until when."""
    node_writer.write(await reader.readexactly(8))
    _, start = await frame_of(node_reader)
    properties, at = take(start, 6, 4)
    _, at = take(start, at, 4)
    writer.write(frame(start[:6] + long_string(properties) + long_string(b"EXTERNAL") + start[at:]))
    _, start_ok = await frame_of(reader)
    properties, at = take(start_ok, 4, 4)
    mechanism, at = take(start_ok, at, 1)
    response, at = take(start_ok, at, 4)
    holder = writer.get_extra_info("ssl_object").getpeercert(True)
    said = verdict(response, settings["audiences"][0], holder)
    if said == "audience":
        said = verdict(response, settings["audiences"][1], holder)
    if told["hang_up"] > 0:
        told["hang_up"] -= 1
        counts["hung_up"] += 1
        return None
    if told["refuse_logins"] > 0:
        told["refuse_logins"] -= 1
        said = "told to"
    if mechanism != b"EXTERNAL" or said != "good":
        counts["refused"] += 1
        text = b"ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL."
        writer.write(frame(struct.pack(">HHH", 10, 50, 403) + short_string(text) + struct.pack(">HH", 0, 0)))
        await writer.drain()
        await frame_of(reader)  # Close-Ok.
        return None
    plain = f"\0{settings['user']}\0{settings['password']}".encode()
    node_writer.write(
        frame(start_ok[:4] + long_string(properties) + short_string(b"PLAIN") + long_string(plain) + start_ok[at:])
    )
    _, tune = await frame_of(node_reader)
    writer.write(frame(tune))
    _, tune_ok = await frame_of(reader)
    node_writer.write(frame(tune_ok))
    _, opened = await frame_of(reader)
    vhost, at = take(opened, 4, 1)
    # Another name than the distributor's is one that the node does not have.
    vhost = settings["vhost"].encode() if vhost == b"BF" else vhost
    node_writer.write(frame(opened[:4] + short_string(vhost) + opened[at:]))
    counts["logins"] += 1
    return issued[response]["end"]


async def pass_on(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def serve_front(reader, writer):
    node_writer = None
    is_in = 0
    try:
        node_reader, node_writer = await asyncio.open_connection(settings["host"], settings["port"])
        end = await log_in(reader, writer, node_reader, node_writer)
        if end is None:
            return
        is_in = 1
        counts["open"] += 1
        inside.add(writer)
        ways = {asyncio.create_task(pass_on(*way)) for way in ((reader, node_writer), (node_reader, writer))}
        limit = max(0, end - time.time()) if told["cut"] else None
        done, left = await asyncio.wait(ways, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        counts["cut"] += 0 if done else 1
        for way in left:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    except (OSError, EOFError, ssl.SSLError):
        pass
    finally:
        counts["open"] -= is_in
        inside.discard(writer)
        for end in (writer, node_writer):
            if end is not None:
                end.close()


# --- The control port


async def serve_control(reader, writer):
    try:
        while line := await reader.readline():
            asked = json.loads(line)
            told.update(asked.get("set", {}))
            answer = {"counts": counts}
            if "check" in asked:
                answer["verdict"] = verdict(asked["check"].encode(), asked["audience"])
            if "issue" in asked:
                holder = ssl.PEM_cert_to_DER_cert(open(settings["client"]).read())
                token, _ = assertion(asked["issue"], holder, told["life_ms"])
                answer["token"] = token.decode()
            if "drop" in asked:
                for inner in list(inside):
                    inner.close()
            if "show" in asked:
                context.load_cert_chain(*asked["show"])
            if "issued" in asked:
                answer["issued"] = [token.decode() for token in issued]
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def quiet(loop, context):
    pass  # Those who hang up are what tests are about.


async def main():
    asyncio.get_running_loop().set_exception_handler(quiet)
    context.load_cert_chain(settings["certificate"], settings["key"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(settings["clients"])
    ports = {}
    for name, serve, tls in (
        ("tokens", serve_tokens, context),
        ("front", serve_front, context),
        ("control", serve_control, None),
    ):
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    # It ends with whoever started it.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
