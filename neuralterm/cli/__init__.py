"""The command line: parse, call one use case, choose the exit code."""
