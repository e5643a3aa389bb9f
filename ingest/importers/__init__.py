"""Histories from elsewhere: files whose lines become events, one module a format, all of the same shape."""

from ingest.importers import access_log, jsonl
from ingest.importers.line import Parse

FORMATS: dict[str, Parse] = {
    "access-log": access_log.parse,
    "jsonl": jsonl.parse,
}
