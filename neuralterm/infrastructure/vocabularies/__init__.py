"""The vocabularies of tiktoken's `cl100k_base` and `o200k_base`, shipped so that counting needs no network.

tiktoken's own `get_encoding` fetches them over HTTP without a timeout; it is never called here.

A `.pack` file is zlib-compressed: the number of tokens n (little-endian u32), n bytes with the token lengths, and the tokens
themselves, joined in the order of their ranks. `scripts/make_vocabularies.py` makes them.
"""

from __future__ import annotations

import struct
import zlib
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from neuralterm.domain.record import record

if TYPE_CHECKING:
    import tiktoken


@record
class EncodingDefinition:
    """What tiktoken needs besides the vocabulary: how text is split first, and which tokens are not text."""

    pattern: str
    special_tokens: dict[str, int]


# The patterns are part of the encodings: they must stay equal to those in tiktoken_ext.openai_public.
DEFINITIONS = {
    "cl100k_base": EncodingDefinition(
        r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|"""
        r"""\s*[\r\n]|\s+(?!\S)|\s""",
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "o200k_base": EncodingDefinition(
        "|".join(
            (
                r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
                r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
                r"""\p{N}{1,3}""",
                r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
                r"""\s*[\r\n]+""",
                r"""\s+(?!\S)""",
                r"""\s+""",
            )
        ),
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
}


def read_tokens(name: str) -> list[bytes]:
    """Return the tokens of an encoding in rank order."""
    data = zlib.decompress(Path(__file__).with_name(f"{name}.pack").read_bytes())
    (count,) = struct.unpack_from("<I", data)
    start = 4 + count
    bounds = accumulate(data[4:start], initial=start)
    return [data[begin:end] for begin, end in pairwise(bounds)]


def load_encoding(name: str) -> tiktoken.Encoding:
    """Build an encoding from its pack; takes about 0.1 to 0.2 s and 40 to 75 MB of memory."""
    import tiktoken

    definition, tokens = DEFINITIONS[name], read_tokens(name)
    return tiktoken.Encoding(
        name,
        pat_str=definition.pattern,
        mergeable_ranks=dict(zip(tokens, range(len(tokens)), strict=True)),
        special_tokens=definition.special_tokens,
    )
