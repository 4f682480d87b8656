"""The service as far as money is concerned afterwards."""

from decimal import Decimal

import anyio

from neuralterm.application.records import GenerationReport, KeyReport


class FakeAccountClient:
    """Answers by a script for each generation id; the last answer of a script is repeated.

    An answer is an amount, a report, None (not known yet), an exception that is raised, or a function that is called and
    returns one of these. Ids without a script are not known.
    """

    def __init__(self, key=None, **scripts):
        self.scripts = {name.replace("_", "-"): list(answers) for name, answers in scripts.items()}
        self.key = KeyReport() if key is None else key
        self.asked = []
        self.open_at_once = 0
        self._open = 0

    async def get_generation(self, generation_id):
        self.asked.append(generation_id)
        self._open += 1
        self.open_at_once = max(self.open_at_once, self._open)
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            self._open -= 1
        answers = self.scripts.get(generation_id, [None])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return _report(generation_id, _settled(answer))

    async def get_key(self):
        await anyio.lowlevel.checkpoint()
        key = _settled(self.key)
        if isinstance(key, Exception):
            raise key
        return key


def _settled(answer):
    return answer() if callable(answer) else answer


def _report(generation_id, answer):
    if isinstance(answer, Exception):
        raise answer
    return GenerationReport(generation_id, Decimal(answer)) if isinstance(answer, str) else answer
