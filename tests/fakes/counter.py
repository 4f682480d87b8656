"""Counts words for tokens: a prompt is its words and one more for each message."""

from neuralterm.application.context import truncate


class PlainWordCounter:
    """Has the methods of the public contract, and no others."""

    def count_tokens(self, text, model_id):
        return len(text.split())

    def count_message(self, message, model_id):
        return 1 + self.count_tokens(message.content, model_id)

    def count_messages(self, messages, model_id):
        return sum(self.count_message(message, model_id) for message in messages)

    def truncate_context(self, messages, model_id, max_tokens, reserve_tokens=500):
        return truncate(messages, max_tokens - reserve_tokens, lambda message: self.count_message(message, model_id))


class WordCounter(PlainWordCounter):
    def upper_bound(self, messages, model_id=None):
        """The closer bound is the count; the quick one is twice that."""
        count = self.count_messages(messages, model_id)
        return count * 2 if model_id is None else count

    def fits(self, messages, model_id, max_tokens):
        return self.count_messages(messages, model_id) <= max_tokens
