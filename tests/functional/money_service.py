"""A stand-in for OpenRouter that keeps its own bill, by its own arithmetic, and watches limits on it.

Standard library only, so that it shares no code, and no mistake, with the package or its sandbox. It counts and charges in
the most hostile way that the service's rules allow: each byte of a prompt is a token, the chat template adds as much as the
client says that it allows for, and an answer goes on to the last token that the cap leaves.
"""

import json
import math
import re
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATIENCE_S = 60
# What the client's documentation says that it allows for framing, in tokens.
PER_PROMPT, PER_MESSAGE = 128, 16

CHEAP, DEAR, ROUTED = "maker/cheap", "maker/dear", "maker/routed"
BY_SIZE, BY_HOUR, WITH_FEE = "maker/by-size", "maker/by-hour", "maker/with-fee"
OTHER_CAP, THINKS = "maker/other-cap", "maker/thinks"

_CONDITIONS = ("min_prompt_tokens", "utc_start", "utc_end")
_NO_PRICES = (*_CONDITIONS, "overrides")
_TEXT = ("This", "answer", "goes", "on", "for", "as", "long", "as", "nobody", "stops", "it", "and")
_REFUSALS = {
    400: "the request is not valid",
    401: "User not found.",
    402: "Insufficient credits",
    404: "No endpoints found that match the request",
    429: "too many requests",
    500: "Internal Server Error",
    503: "no provider is free",
}


def _hhmm(moment):
    return moment.hour * 100 + moment.minute


def _dear_now():
    """Prices that hold from two hours ago until in two hours."""
    now = datetime.now(UTC)
    start, end = now - timedelta(hours=2), now + timedelta(hours=2)
    return {"utc_start": _hhmm(start), "utc_end": _hhmm(end), "prompt": "0.000002", "completion": "0.00004"}


def _pricing():
    """USD per token, for each model."""
    return {
        CHEAP: {"prompt": "0.0000001", "completion": "0.000002"},
        DEAR: {"prompt": "0.00001", "completion": "0.00005"},
        ROUTED: {"prompt": "0.0000001", "completion": "0.000002"},
        BY_SIZE: {
            "prompt": "0.0000001",
            "completion": "0.000002",
            "overrides": [
                {"min_prompt_tokens": 400, "prompt": "0.000003", "completion": "0.00001"},
                {"min_prompt_tokens": 4000, "prompt": "0.000005"},
            ],
        },
        BY_HOUR: {"prompt": "0.0000001", "completion": "0.000002", "overrides": [_dear_now()]},
        WITH_FEE: {"prompt": "0.0000001", "completion": "0.000002", "request": "0.0013"},
        OTHER_CAP: {"prompt": "0.0000001", "completion": "0.000002"},
        THINKS: {
            "prompt": "0.0000001",
            "completion": "0.000002",
            "input_cache_write": "0.000000125",
            "internal_reasoning": "0.000006",
        },
    }


@dataclass
class Model:
    """A model: what the list says of it, and what its endpoint really takes and charges."""

    id: str
    listed: dict
    charged: dict
    parameters: tuple = ("max_tokens", "temperature")
    longest: int = 400
    window: int = 32_000

    def row(self):
        return {
            "id": self.id,
            "canonical_slug": self.id,
            "name": self.id,
            "created": 1795392000,
            "context_length": self.window,
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other"},
            "pricing": self.listed,
            "top_provider": {"context_length": self.window, "max_completion_tokens": self.longest},
            "supported_parameters": list(self.parameters),
        }

    def prices(self, prompt_tokens, moment):
        """The prices that hold for a prompt of this size at this moment."""
        prices = {key: Decimal(value) for key, value in self.charged.items() if key not in _NO_PRICES}
        for entry in self.charged.get("overrides", []):
            large = "min_prompt_tokens" not in entry or prompt_tokens > entry["min_prompt_tokens"]
            if large and _is_within(entry, _hhmm(moment)):
                prices.update({key: Decimal(value) for key, value in entry.items() if key not in _NO_PRICES})
        return prices


def _is_within(entry, now):
    if "utc_start" not in entry:
        return True
    start, end = entry["utc_start"], entry["utc_end"]
    return start <= now < end if start <= end else now >= start or now < end


@dataclass(frozen=True)
class Behaviour:
    """How a request is answered. Without changes: at once, with as many tokens as the cap allows.

    `status` other than 200 refuses, for nothing. `tokens` is the length that the model would choose (None: as long as it
    may). `pause` is in seconds between deltas, `in_one` the tokens of a delta. After `ends_after` tokens the answer ends by
    `ending`: `stop`, `error` (an error in the stream), `cut` (the connection), `reset`, `ended` (in good order, without the
    end mark), `garbage`, `silence` (until the client leaves).
    `gate` holds the answer back, after its head. Whoever leaves is charged for what was made until then, or `in_full`. Where
    the request names other models too, the last of them answers. `retry_after` goes with a refusal. `thoughts` are the deltas
    of reasoning before the answer; with `names_job` the first word of the answer is that of the question.
    """

    status: int = 200
    retry_after: int | None = None
    thoughts: int = 0
    names_job: bool = False
    tokens: int | None = None
    pause: float = 0.0
    in_one: int = 20
    ending: str = "stop"
    ends_after: int = 0
    in_full: bool = False
    tells_cost: bool = True
    tells_usage: bool = True
    ignores_cap: bool = False
    gate: threading.Event | None = None


@dataclass
class Work:
    """One request for an answer, and what has been made for it."""

    generation_id: str
    model: Model
    body: dict
    behaviour: Behaviour
    prompt_tokens: int
    limit: int
    wished: int
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    made: int = 0
    sent: str = ""
    thought: str = ""
    finish_reason: str | None = None

    @property
    def job(self):
        """The first word of the question, by which tests tell requests apart."""
        return self.body["messages"][-1]["content"].split()[0]

    @property
    def reasoning(self):
        return self.made // 2 if self.model.id == THINKS else 0

    @property
    def written(self):
        """Prompt tokens that are written to a cache."""
        return self.prompt_tokens if self.model.id == THINKS else 0

    def price(self):
        prices = self.model.prices(self.prompt_tokens, self.began)
        prompt, completion = prices["prompt"], prices["completion"]
        return (
            prices.get("request", Decimal(0))
            + self.written * prices.get("input_cache_write", prompt)
            + (self.prompt_tokens - self.written) * prompt
            + self.reasoning * prices.get("internal_reasoning", completion)
            + (self.made - self.reasoning) * completion
        )


@dataclass(frozen=True)
class Charge:
    """A line of the bill; `at` is the time of the monotonic clock."""

    work: Work
    usd: Decimal
    at: float

    @property
    def job(self):
        return self.work.job


class Bill:
    """What was charged, in order. Limits are compared after every charge; `overruns` is what was found then."""

    def __init__(self):
        self._lock = threading.Lock()
        self._limits = []
        self.charges = []
        self.overruns = []

    def watch(self, name, limit, counts=lambda charge: True):
        """From now on, say so when the charges that a limit counts are more than it."""
        self._limits.append((name, Decimal(limit), counts))

    def add(self, work):
        with self._lock:
            self.charges.append(Charge(work, work.price(), time.monotonic()))
            for name, limit, counts in self._limits:
                total = self._sum(counts)
                if total > limit:
                    self.overruns.append(f"{name}: {total} of {limit} after {work.job} ({work.model.id})")

    def total(self, counts=lambda charge: True):
        with self._lock:
            return self._sum(counts)

    def by_id(self):
        """USD by generation id."""
        with self._lock:
            return {charge.work.generation_id: charge.usd for charge in self.charges}

    def find(self, generation_id, age):
        """Return a charge that is at least so many seconds old."""
        with self._lock:
            return next(
                (
                    charge
                    for charge in self.charges
                    if charge.work.generation_id == generation_id and time.monotonic() - charge.at >= age
                ),
                None,
            )

    def _sum(self, counts):
        return sum((charge.usd for charge in self.charges if counts(charge)), Decimal(0))


class MoneyService:
    """The server. `behave` gets the first word of a question and returns the behaviour of its answer.

    `settle_s`: seconds from the end of an answer until `/generation` knows it. `answers_about_generations` unset makes it
    keep silent. `template` are the tokens that frame a prompt and each of its messages.
    """

    def __init__(self):
        self.models = {name: Model(name, pricing, pricing) for name, pricing in _pricing().items()}
        self.models[CHEAP].parameters += ("response_format", "structured_outputs")
        self.models[OTHER_CAP].parameters = ("max_completion_tokens", "temperature")
        self.bill = Bill()
        self.behave = lambda job: Behaviour()
        self.settle_s = 0.0
        self.template = (PER_PROMPT, PER_MESSAGE)
        self.bytes_per_token = 1
        self.answers_about_generations = threading.Event()
        self.answers_about_generations.set()
        self.asked_about = []
        self.asked = threading.Event()
        self.posts = []
        self.heads = []
        self.works = []
        self.failures = []
        self._changed = threading.Condition()
        self._running = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.answers_about_generations.set()
        self._server.shutdown()
        self._server.server_close()

    def reroute(self, name, **prices):
        """Let requests for a model go to another endpoint, of which the list says nothing."""
        self.models[name].charged = {**self.models[name].charged, **prices}

    def posts_of(self, job):
        return [body for body in self.posts if body["messages"][-1]["content"].split()[0] == job]

    def wait_until(self, condition):
        """Wait until something about this server holds."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S), "the service never came to that"

    def wait_until_idle(self):
        """Wait until all that was begun is on the bill."""
        self.wait_until(lambda: self._running == 0)

    def wait_until_asked(self, times):
        """Wait until so many questions about generations have come."""
        self.wait_until(lambda: len(self.asked_about) >= times)

    def note(self, change):
        with self._changed:
            change()
            self._changed.notify_all()

    def begin(self):
        self._running += 1

    def end(self):
        self._running -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # the handler keeps what matters


class _ClientLeftError(Exception):
    pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    @property
    def service(self):
        return self.server.service

    def do_GET(self):
        try:
            self._get(urlsplit(self.path))
        except ConnectionError:
            pass
        except Exception as exception:
            self.service.failures.append(exception)

    def do_POST(self):
        self.close_connection = True
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])), parse_float=Decimal)
            self._chat(body)
        except (ConnectionError, _ClientLeftError):
            pass
        except Exception as exception:
            self.service.failures.append(exception)

    def _get(self, address):
        self.close_connection = True
        service = self.service
        if address.path.endswith("/models"):
            self._reply(200, {"data": [model.row() for model in service.models.values()]})
        elif address.path.endswith("/key"):
            used = service.bill.total()
            periods = dict.fromkeys(("usage", "usage_daily", "usage_weekly", "usage_monthly"), used)
            self._reply(200, {"data": {"label": "test", "limit": None, "limit_remaining": None, **periods}})
        elif address.path.endswith("/generation"):
            self._generation(parse_qs(address.query)["id"][0])
        else:
            self._refuse(404, "Not Found")

    def _generation(self, generation_id):
        service = self.service
        service.note(lambda: service.asked_about.append(generation_id))
        service.asked.set()
        service.answers_about_generations.wait(PATIENCE_S)
        charge = service.bill.find(generation_id, service.settle_s)
        if charge is None:
            return self._refuse(404, f"Generation {generation_id} not found")
        work = charge.work
        record = {
            "id": generation_id,
            "model": work.model.id,
            "provider_name": "Maker",
            "total_cost": charge.usd,
            "usage": charge.usd,
            "is_byok": False,
            "finish_reason": work.finish_reason,
            "native_tokens_prompt": work.prompt_tokens,
            "native_tokens_completion": work.made,
            "native_tokens_reasoning": work.reasoning,
            "native_tokens_cached": 0,
        }
        return self._reply(200, {"data": record})

    def _chat(self, body):
        service = self.service
        service.note(lambda: service.posts.append(body))
        name = body.get("models", [body["model"]])[-1]
        model = service.models.get(name)
        if model is None:
            return self._refuse(400, f"{name} is not a valid model ID")
        prompt_tokens = _count_prompt(service, body)
        objection = _objection(model, body, prompt_tokens)
        if objection is not None:
            return self._refuse(404, objection)
        behaviour = service.behave(body["messages"][-1]["content"].split()[0])
        if behaviour.status != 200:
            headers = [] if behaviour.retry_after is None else [("Retry-After", str(behaviour.retry_after))]
            return self._refuse(behaviour.status, _REFUSALS[behaviour.status], headers)
        limit = _limit(model, body, prompt_tokens, behaviour)
        wished = limit if behaviour.tokens is None else min(limit, behaviour.tokens)
        service.note(service.begin)
        work = Work(f"gen-{time.time_ns()}-{len(service.heads)}", model, body, behaviour, prompt_tokens, limit, wished)
        service.works.append(work)
        try:
            return _Answer(self, work).give()
        finally:
            service.note(service.end)

    def _refuse(self, status, message, headers=()):
        self._reply(status, {"error": {"code": status, "message": message}}, headers)

    def _reply(self, status, document, headers=()):
        content = to_json(document)
        self.begin_reply(status, "application/json", [("Content-Length", str(len(content))), *headers])
        self.wfile.write(content)

    def begin_reply(self, status, content_type, headers=()):
        self.send_response(status, "Whatever")
        for name, value in (("Content-Type", content_type), *headers, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()

    def wait(self, seconds):
        """Wait; find out meanwhile whether the client has left."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise _ClientLeftError


def _count_prompt(service, body):
    per_prompt, per_message = service.template
    texts = [message["content"].encode() for message in body["messages"]]
    schema = len(to_json(body["response_format"])) if "response_format" in body else 0
    return per_prompt + schema + sum(per_message + -(-len(text) // service.bytes_per_token) for text in texts)


def _objection(model, body, prompt_tokens):
    """Return why no endpoint may serve the request, by what it says of routing; None when one may."""
    provider = body.get("provider") or {}
    known = {*model.parameters, "messages", "model", "models", "provider", "stream", "usage"}
    if provider.get("require_parameters") and not body.keys() <= known:
        return "No endpoints found that can handle the requested parameters"
    prices = model.prices(prompt_tokens, datetime.now(UTC))
    for key, most in (provider.get("max_price") or {}).items():
        unit = 1 if key == "request" else 1_000_000
        if prices.get(key, Decimal(0)) * unit > Decimal(str(most)):
            return f"No endpoints found that match your max_price ({key})"
    return None


def _limit(model, body, prompt_tokens, behaviour):
    """Return the most tokens that the answer may have; a cap that the endpoint does not know is ignored."""
    caps = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body and name in model.parameters]
    if behaviour.ignores_cap:
        return behaviour.tokens
    return min([*caps, model.longest, model.window - prompt_tokens])


class _Answer:
    """One answer on its way; whatever happens to it, it comes on the bill once."""

    def __init__(self, handler, work):
        self._handler, self._work, self._service = handler, work, handler.service
        self._billed = False

    def give(self):
        try:
            if self._work.body.get("stream"):
                self._stream()
            else:
                self._whole()
        except (_ClientLeftError, ConnectionError):
            if self._work.behaviour.in_full:
                self._work.made = self._work.wished
        finally:
            self._charge()

    def _charge(self):
        if not self._billed:
            self._billed = True
            self._service.note(lambda: self._service.bill.add(self._work))

    def _head(self, content_type, headers=()):
        named = ("X-Generation-Id", self._work.generation_id)
        self._handler.begin_reply(200, content_type, [named, *headers])
        self._service.note(lambda: self._service.heads.append(self._work.generation_id))
        gate = self._work.behaviour.gate
        while gate is not None and not gate.is_set():
            self._handler.wait(0.02)

    def _stream(self):
        work, behaviour = self._work, self._work.behaviour
        self._head("text/event-stream", [("Transfer-Encoding", "chunked")])
        end = work.wished if behaviour.ending == "stop" else min(behaviour.ends_after, work.wished)
        for _ in range(behaviour.thoughts):
            self._handler.wait(behaviour.pause)
            work.thought += "well now "
            self._event(self._chunk({"content": "", "reasoning": "well now "}))
        while work.made < end:
            self._handler.wait(behaviour.pause)
            count = min(behaviour.in_one, end - work.made)
            text = " ".join(self._words(work.made, count)) + " "
            work.made += count
            work.sent += text
            self._event(self._chunk({"content": text}))
        self._end()

    def _words(self, start, count):
        words = [_TEXT[number % len(_TEXT)] for number in range(start, start + count)]
        if start == 0 and words and self._work.behaviour.names_job:
            words[0] = self._work.job
        return words

    def _end(self):
        work, ending = self._work, self._work.behaviour.ending
        if ending == "cut":
            return
        if ending == "reset":
            self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._handler.connection.close()
            return
        if ending in ("ended", "garbage"):
            self._block(b"data: {no JSON at all\n\n" if ending == "garbage" else b": no more of it\n\n")
            self._handler.wfile.write(b"0\r\n\r\n")
            return
        if ending == "silence":
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                self._handler.wait(0.05)
        if ending == "error":
            work.finish_reason = "error"
            self._charge()
            failed = {"error": {"code": 502, "message": "the provider stopped answering"}}
            self._event(self._chunk({"content": ""}, "error") | failed)
        else:
            self._finish()
            self._event(self._chunk({"content": ""}, work.finish_reason))
            self._event(self._chunk({"content": ""}, work.finish_reason) | self._usage())
        self._event("[DONE]")
        self._handler.wfile.write(b"0\r\n\r\n")

    def _finish(self):
        self._work.finish_reason = "length" if self._work.made >= self._work.limit else "stop"
        self._charge()

    def _whole(self):
        work, behaviour = self._work, self._work.behaviour
        work.made = work.wished
        self._head("application/json", [("Transfer-Encoding", "chunked")])
        self._handler.wait(behaviour.pause)
        text = work.sent = " ".join(self._words(0, work.made))
        if behaviour.ending == "cut":
            return self._block(b'{"id": "')
        self._finish()
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": work.finish_reason}
        self._block(to_json({"id": work.generation_id, "model": work.model.id, "choices": [choice]} | self._usage()))
        return self._handler.wfile.write(b"0\r\n\r\n")

    def _usage(self):
        work, behaviour = self._work, self._work.behaviour
        if not behaviour.tells_usage:
            return {}
        usage = {
            "prompt_tokens": work.prompt_tokens,
            "completion_tokens": work.made,
            "total_tokens": work.prompt_tokens + work.made,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": work.written},
            "completion_tokens_details": {"reasoning_tokens": work.reasoning},
        }
        # With the noise of binary fractions, as sums of prices come over the wire.
        cost = {"cost": math.nextafter(float(work.price()), math.inf)} if behaviour.tells_cost else {}
        return {"usage": usage | cost}

    def _chunk(self, delta, finish_reason=None):
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish_reason}
        head = {"id": self._work.generation_id, "model": self._work.model.id, "provider": "Maker"}
        return {**head, "object": "chat.completion.chunk", "choices": [choice]}

    def _event(self, document):
        text = document.encode() if isinstance(document, str) else to_json(document)
        self._block(b"data: " + text + b"\n\n")

    def _block(self, data):
        self._handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def to_json(document):
    """Write JSON with decimals as the numbers they are, to the last digit."""
    text = json.dumps(document, default=lambda number: f"<<{format(number, 'f')}>>")
    return re.sub(r'"<<([^"]*)>>"', r"\1", text).encode()
