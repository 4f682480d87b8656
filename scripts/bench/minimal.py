"""The least program that does the same request as `neuralterm send PROMPT`: what its ratios are taken against."""

import http.client
import json
import sys


def main() -> None:
    """`python minimal.py PORT PROMPT`."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    request = {
        "model": "openai/gpt-4o-mini",
        "stream": True,
        "messages": [{"role": "user", "content": sys.argv[2]}],
    }
    headers = {"Content-Type": "application/json", "Authorization": "Bearer key"}
    connection.request("POST", "/api/v1/chat/completions", json.dumps(request), headers)
    out = sys.stdout
    for line in connection.getresponse():
        if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
            for choice in json.loads(line[6:])["choices"]:
                text = choice["delta"].get("content")
                if text:
                    out.write(text)
                    out.flush()
    out.write("\n")


if __name__ == "__main__":
    main()
