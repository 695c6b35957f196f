"""SHA-256 of the files of a stored run, in the key `KEY` of its result.json.

The checksum of result.json itself is that of the record without this key, as `files.to_json` writes it.
Checksums find damage and edits, but are not a signature: whoever changes a file can change its checksum too.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from lsbench.store.files import to_json

KEY = "sha256"
RECORD = "result.json"

Checksums = Mapping[str, str]  # by file name


def checksum(content: bytes) -> str:
    return sha256(content).hexdigest()


def with_checksums(record: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """The content of result.json: the ``record`` and the checksums of the run's other ``files``."""
    return {**record, KEY: {**files, RECORD: checksum(to_json(record))}}


def split(content: object) -> tuple[Any, Checksums | None]:
    """The record and the checksums in the content of result.json, None if it has no valid ones, as that of
    lsbench 0.2 and earlier."""
    if not isinstance(content, dict) or KEY not in content:
        return content, None
    checksums = content[KEY]
    valid = isinstance(checksums, dict) and all(isinstance(value, str) for value in checksums.values())
    if not valid or RECORD not in checksums:
        return content, None  # its key is then an invalid one of the record
    return {name: value for name, value in content.items() if name != KEY}, checksums
