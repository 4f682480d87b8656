"""Processes by name: those in `ended` have ended."""


class FakeProcesses:
    def __init__(self, me="here", ended=()):
        self.ended = set(ended)
        self._me = me

    def me(self):
        return self._me

    def may_live(self, name):
        return name not in self.ended
