"""`python listing.py N`: print a reply to `GET /models` with N models, made from the sandbox's catalogue of real ones."""

import json
import sys
from decimal import Decimal
from itertools import cycle, islice

from neuralterm.sandbox.catalogue import real_models


def main() -> None:
    """Repeat the catalogue under other names until there are so many."""
    rows = [model.listing for model in real_models()]
    listed = []
    for number, row in enumerate(islice(cycle(rows), int(sys.argv[1]))):
        turn = number // len(rows)
        author, _, name = row["id"].partition("/")
        renamed = {
            "id": f"{author}-{turn}/{name}",
            "canonical_slug": f"{author}-{turn}/{name}",
            "name": f"{row['name']} {turn}",
        }
        listed.append({**row, **renamed} if turn else row)
    print(json.dumps({"data": listed}, default=_plain))


def _plain(value: object) -> str | float:
    return float(value) if isinstance(value, Decimal) else str(value)


if __name__ == "__main__":
    main()
