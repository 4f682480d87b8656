#!/usr/bin/env python3
"""Prints what a day did cost, by tag and model, as Markdown: yesterday, or the day that is named.

    5 0 * * * nightly_report.py | mail -s "LLM cost" team@example.com
    nightly_report.py 2026-11-25

Days are those of the zone in REPORT_ZONE, such as Europe/Berlin; without one, of UTC.
"""

import html
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ZONE = os.environ.get("REPORT_ZONE", "UTC")


def cell(text: str) -> str:
    """Return a tag or model as it can stand in a table."""
    return " ".join(html.escape(text, quote=False).replace("|", "&#124;").split()) or "none"


def settled(total: str, unsettled: dict) -> str:
    """Return an amount, and what may come on top of it."""
    if not unsettled["calls"]:
        return f"${total}"
    bound = "an unknown amount" if unsettled["at_most_usd"] is None else f"at most ${unsettled['at_most_usd']}"
    return f"${total}, and {bound} not settled"


day = sys.argv[1] if len(sys.argv) > 1 else str(datetime.now(ZoneInfo(ZONE)).date() - timedelta(days=1))
command = ["neuralterm", "-q", "cost", "-z", ZONE, "--since", day, "--until", day, "--by", "tag,model", "--json"]
done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8")
if done.returncode != 0:
    sys.exit(done.returncode)
report = json.loads(done.stdout)
calls = "1 call" if report["calls"] == 1 else f"{report['calls']} calls"
print(f"# LLM cost of {day}\n\n{calls}, {settled(report['total_usd'], report['unsettled'])}")
if report["groups"]:
    print("\n| tag | model | calls | tokens | cost |\n| --- | --- | ---: | ---: | --- |")
for group in report["groups"]:
    tokens = group["tokens"]["prompt"] + group["tokens"]["completion"]
    names = f"| {cell(group['keys']['tag'])} | {cell(group['keys']['model'])} "
    print(f"{names}| {group['calls']} | {tokens} | {settled(group['total_usd'], group['unsettled'])} |")
