"""SHA-256 of the files of a stored run, in the key `KEY` of its result.json.

The checksum of result.json itself is that of its content without this one, as `files.to_json` writes it.
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
    content = {**record, KEY: dict(files)}
    return {**record, KEY: {**files, RECORD: checksum(to_json(content))}}


def split(content: object) -> tuple[Any, Checksums | None]:
    """The record and the checksums in the content of result.json, None if it has none, as that of lsbench 0.2
    and earlier. Raises ValueError if they are not by name."""
    if not isinstance(content, dict) or KEY not in content:
        return content, None
    checksums = content[KEY]
    by_name = isinstance(checksums, dict) and all(isinstance(value, str) for value in checksums.values())
    if not by_name or RECORD not in checksums:
        raise ValueError("its checksums are damaged")
    return {name: value for name, value in content.items() if name != KEY}, checksums


def is_unchanged(record: Mapping[str, Any], checksums: Checksums) -> bool:
    """True if the ``record`` and the ``checksums`` beside it are as `with_checksums` sealed them."""
    files = {name: value for name, value in checksums.items() if name != RECORD}
    return bool(with_checksums(record, files)[KEY][RECORD] == checksums[RECORD])
