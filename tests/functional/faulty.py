"""neuralterm with one part that holds or fails: `python -m tests.functional.faulty PART DESCRIPTORS ARGUMENTS...`.

DESCRIPTORS are two numbers with a comma: to the first a byte is written when the part is reached, from the second one is
read before it goes on.
"""

import os
import sys
from functools import cached_property

from neuralterm.application.events import EventObserver, Events
from neuralterm.cli.root import cli
from neuralterm.cli.signals import end_process, handle_signals
from neuralterm.components.console import Console
from neuralterm.container import Container
from neuralterm.infrastructure.ledger import SQLiteLedger

PART, DESCRIPTORS = sys.argv[1:3]
LARGEST_OWN_CODE = 128


def hold():
    tell, listen = map(int, DESCRIPTORS.split(","))
    os.write(tell, b".")
    os.read(listen, 1)


def fail(*args, **names):
    raise ZeroDivisionError("a part that is not as it should be")


class Ledger(SQLiteLedger):
    def settle_call(self, call):
        {"hold storing": hold, "fail storing": fail}[PART]()
        super().settle_call(call)


class Observer(EventObserver):
    def on_event(self, event):
        {"hold printed": hold, "fail observing": fail}[PART]()


class BrokenConsole(Console):
    def write_answer(self, text):
        super().write_answer(text)
        if PART == "fail middle" and text.endswith("may be"):
            fail()

    def end_answer(self):
        super().end_answer()
        if PART == "fail printed":
            fail()


class Faulty(Container):
    @cached_property
    def ledger(self):
        return Ledger(self.database) if PART.endswith(" storing") else super().ledger

    @cached_property
    def console(self):
        if PART not in ("fail middle", "fail printed"):
            return super().console
        return BrokenConsole(quiet=self.is_quiet, color=False, interrupted=self.interrupted)

    @cached_property
    def circuits(self):
        return fail if PART == "fail connecting" else super().circuits

    @cached_property
    def redaction(self):
        return fail() if PART == "fail before" else super().redaction


def main():
    handle_signals(end_process)
    container = Faulty()
    if PART in ("hold printed", "fail observing"):
        container.bus.subscribe(Events.MESSAGE_COMPLETED, Observer())
    if PART == "fail observing":
        container.bus.subscribe(Events.TOKEN_GENERATED, Observer())
    try:
        cli(sys.argv[3:], prog_name="neuralterm", obj=container)
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > LARGEST_OWN_CODE:
            os._exit(end.code)
        raise


if __name__ == "__main__":
    main()
