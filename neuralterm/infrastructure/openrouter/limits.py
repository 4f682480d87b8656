"""How much of a reply is taken in, and for how long. Sizes in bytes unless said otherwise."""

from __future__ import annotations

# One event. JSON writes a character that is not ASCII as up to three times its bytes, and servers send pieces of up to
# 8 MB (images, mostly): 24 MB and what stands around it. More would only be memory for somebody else to fill.
LARGEST_EVENT = 32 * 1024 * 1024

# A line of an event stream that carries no data: a comment, an unknown field, or something that is no event stream.
LONGEST_OTHER_LINE = 64 * 1024

# A whole reply in one JSON document, which may hold several images.
LARGEST_REPLY = 64 * 1024 * 1024

# What is kept of one answer, in characters: many times what the largest context window holds.
LARGEST_ANSWER = 64 * 1024 * 1024

# Bytes in which no piece of an answer came; more than one event and its neighbours can need.
MOST_WITHOUT_A_PIECE = 2 * LARGEST_EVENT

LARGEST_ERROR_BODY = 64 * 1024

# A service that sends signs of life only is waited for so many times as long as one that sends nothing. Models that think
# unseen for some minutes are not given up, and nobody waits for ever.
PATIENCE_FACTOR = 5
