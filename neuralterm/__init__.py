"""neuralterm: a command-line LLM client whose money, answers and exit codes can be relied on."""

__version__ = "0.1.0"
