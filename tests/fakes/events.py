"""Observers for tests, and a bus that hides nothing."""

from neuralterm.application.events import EventBus, EventObserver


class Recorder(EventObserver):
    def __init__(self):
        self.events = []

    def on_event(self, event):
        self.events.append(event)

    @property
    def types(self):
        return [event.event_type for event in self.events]

    def of(self, event_type):
        """The payloads of one type of event."""
        return [event.payload for event in self.events if event.event_type == event_type]


def loud_bus():
    """A bus whose observers may not fail."""

    def reraise(observer, event, error):
        raise error

    return EventBus(on_error=reraise)
