"""Reads records that targets got, in another language than the gateway: JSON, XML and CSV, by the content type alone.

Takes on standard input one JSON object a line, with `type` and `body_base64`. Says of each, a line: every field of the
record and of its tag as a text by its name, what there is none of as an empty one, lists as lists.
"""

import base64
import csv
import io
import json
import sys
import xml.etree.ElementTree as ElementTree

SPACE = "{urn:samspor:record:1}"


def text(value):
    return "" if value is None else str(value)


def of_json(body):
    record = json.loads(body)
    tag = record.pop("tag")
    record.pop("decision")
    lists = {"flags": tag.pop("flags"), "other": tag.pop("other")}
    parts = [[part["area"], text(part["weight"]), part["amount"]] for part in tag.pop("parts")]
    return {name: text(value) for name, value in (record | tag).items()} | lists | {"parts": parts}


def of_xml(body):
    root = ElementTree.fromstring(body)
    assert root.tag == SPACE + "ledgerRecord", root.tag
    said = dict.fromkeys(["voucher", "family", "enrolment", "kind", "split"], "")
    tag = root.find(SPACE + "tag")
    for element in list(root) + list(tag):
        name = element.tag.removeprefix(SPACE)
        if name == "parts":
            said[name] = [[part.find(SPACE + field).text for field in ["area", "weight", "amount"]] for part in element]
        elif name in ["flags", "other"]:
            said[name] = [word.text for word in element]
        elif name not in ["tag", "decision"]:
            said[name] = element.text
    return said


def of_csv(body):
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline=""), delimiter=";", strict=True))
    said = rows[0]
    for name, value in said.items():
        said[name] = value.removeprefix("'")
    for name in ["flags", "other"]:
        said[name] = said[name].split(",") if said[name] else []
    said["amount"] = said["amount"].replace(",", ".")
    said["parts"] = [[row["part_area"], row["part_weight"], row["part_amount"].replace(",", ".")] for row in rows]
    for name in ["part_area", "part_weight", "part_amount"]:
        said.pop(name)
    return said


READERS = {"application/json": of_json, "application/xml": of_xml, "text/csv": of_csv}
for line in sys.stdin:
    given = json.loads(line)
    read = READERS[given["type"].split(";")[0]]
    print(json.dumps(read(base64.b64decode(given["body_base64"]))))
