"""An OpenRouter-compatible server on loopback, for trying and testing without key, network or money."""
