"""Asks an OpenAI-compatible server one question: POST {url}/v1/chat/completions, within limits of time and size.

The server is not trusted. Redirects are refused, a dripping answer ends with the time limit, a body is read up to a
limit only, and should the server repeat the key, it is hidden before anybody sees or stores it.
"""

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
import urllib.request
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from core.catalog.endpoints import Endpoint
from core.errors import AppError
from core.evaluation.lettered import spoken
from core.redaction import HIDDEN, LEAST_LETTERS, redacted
from core.wording import clip, show_name

MOST_BYTES = 4_000_000
MOST_LETTERS = 20_000  # of an answer; what a benchmark asks for needs far fewer
PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
# The question itself is refused, not the request: the item counts as not answered.
_REFUSED_QUESTION = ("content_filter", "content_policy_violation", "context_length_exceeded")


class EndpointError(AppError):
    """An endpoint can't be used as it is; asking again would not help."""


class Passing(EndpointError):
    """A failure that may pass; `wait_s` is how long the server asks to wait."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Reply:
    """An answer; tokens as the server counts them, None where it doesn't. `cut` by the limit, `refused` by a filter."""

    text: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cut: bool
    refused: bool


class Client:
    """One endpoint with its key; used by several threads at once."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        self.endpoint = endpoint
        self._key = key
        self._address = urlsplit(f"{endpoint.url}/v1/chat/completions")
        self._context = ssl.create_default_context() if self._address.scheme == "https" else None

    def ask(self, messages: list[dict[str, str]], most_tokens: int) -> Reply:
        """Ask once.

        Raises:
            Passing: Busy, unreachable, too slow, or an answer that makes no sense.
            EndpointError: Refused for good.
        """
        fields = {"model": self.endpoint.model, "messages": messages, "temperature": 0, "max_tokens": most_tokens}
        fields |= self.endpoint.options
        body = {name: value for name, value in fields.items() if value is not None}
        status, headers, content = self._send("POST", self._address, json.dumps(body).encode())
        if status == 200:
            return self._read(content)
        told = self._complaint(content)
        if status in PASSING:
            raise Passing(self._said(f"answers with status {status}{told}"), _wait_of(headers))
        if 300 <= status < 400:
            target = self._shown(str(headers.get("Location", "")))
            raise EndpointError(
                self._said(f"redirects to {target!r}, which is not followed. Write the address that answers as `url`")
            )
        if status in (400, 422) and any(code in told for code in _REFUSED_QUESTION):
            return Reply("", "", 0, 0, False, True)
        advice = {
            401: f" Check the key in {self.endpoint.key_env}"
            if self.endpoint.key_env
            else " It wants a key: `key_env`",
            404: " Check `url` and `model`",
        }.get(status, "")
        raise EndpointError(self._said(f"refuses the request with status {status}{told}.{advice}".rstrip(".")))

    def list_models(self) -> tuple[int, list[str]]:
        """Return the status with which the server answers when asked for its models, and their names if it tells any.

        It costs nothing: no model is asked.

        Raises:
            EndpointError: It can't be reached, or not in time.
        """
        status, _, content = self._send("GET", urlsplit(f"{self.endpoint.url}/v1/models"), None)
        names: list[str] = []
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            names = [one["id"] for one in json.loads(content)["data"] if isinstance(one["id"], str)]
        return status, names

    def _send(self, method: str, address: SplitResult, body: bytes | None) -> tuple[int, Message, bytes]:
        """Send and receive; after the time limit the connection is cut, however busily the server drips."""
        connection, target, headers = self._connect(address)
        expired, opened = threading.Event(), list[socket.socket]()

        def expire() -> None:
            expired.set()
            for one in opened:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(one, socket.SHUT_RDWR)  # the reader then sees the end, under TLS too

        timer = threading.Timer(self.endpoint.timeout_s, expire)
        timer.daemon = True
        timer.start()
        slow = self._said(f"did not answer within {self.endpoint.timeout_s:g} s")
        try:
            connection.connect()
            opened.append(connection.sock)
            if expired.is_set():
                raise TimeoutError
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES + 1)
        except TimeoutError as error:
            raise Passing(slow) from error
        except ssl.SSLCertVerificationError as error:
            raise EndpointError(self._said(f"has a certificate that is not trusted: {error.verify_message}")) from None
        except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: no name of a host
            if expired.is_set():
                raise Passing(slow) from error
            reason = self._shown(str(error)) or type(error).__name__
            raise Passing(self._said(f"can't be reached or breaks off: {reason}")) from error
        finally:
            timer.cancel()
            connection.close()
        if expired.is_set():
            raise Passing(slow)
        if len(content) > MOST_BYTES:
            raise EndpointError(self._said(f"sends more than {MOST_BYTES / 1e6:.0f} MB in answer to one question"))
        return answer.status, answer.headers, content

    def _connect(self, address: SplitResult) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """Return a connection that is not open yet, what to ask it for, and the headers; a set proxy is used."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        proxy = _proxy_for(address)
        host, port = address.hostname or "", address.port or (443 if self._context else 80)
        via = proxy or address
        place, door = via.hostname or "", via.port or (80 if proxy else port)
        timeout_s = self.endpoint.timeout_s
        if self._context is None:
            target = address.geturl() if proxy else address.path
            return http.client.HTTPConnection(place, door, timeout=timeout_s), target, headers | _login(proxy)
        secure = http.client.HTTPSConnection(place, door, timeout=timeout_s, context=self._context)
        if proxy:
            secure.set_tunnel(host, port, _login(proxy))
        return secure, address.path, headers

    def _read(self, content: bytes) -> Reply:
        try:
            told = json.loads(content)
            choice = told["choices"][0]
            message = choice["message"]
            text, model, reason = _text_of(message.get("content")), told.get("model"), choice.get("finish_reason")
            usage = told.get("usage")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise Passing(
                self._said(f"answers with something else than a chat completion{self._complaint(content)}")
            ) from None
        counts = usage if isinstance(usage, dict) else {}
        return Reply(
            text=self._hidden(show_name(spoken(text)))[:MOST_LETTERS],
            model=clip(self._hidden(show_name(model)), 300) if isinstance(model, str) else "",
            input_tokens=_count(counts.get("prompt_tokens")),
            output_tokens=_count(counts.get("completion_tokens")),
            cut=reason == "length",
            refused=reason == "content_filter",
        )

    def _said(self, what: str) -> str:
        return f"The endpoint {self.endpoint.name!r} at {self.endpoint.url} {what}."

    def _complaint(self, content: bytes) -> str:
        """Return what the server says is wrong, behind a colon; nothing where it says nothing."""
        text = content[:10_000].decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            told = json.loads(text)
            error = told.get("error", told.get("detail", told)) if isinstance(told, dict) else told
            text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
        said = self._shown(text)
        return f": {said}" if said else ""

    def _shown(self, text: str) -> str:
        return clip(" ".join(redacted(self._hidden(show_name(text))).split()), 300).rstrip(".")

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, HIDDEN) if len(self._key) >= LEAST_LETTERS else text


def _text_of(content: Any) -> str:
    """Return an answer's text; some servers send it in parts, and none where a model only thought or called a tool."""
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if part.get("type") == "text")
    if not isinstance(content, str | None):
        raise TypeError(content)
    return content or ""


def _count(value: Any) -> int | None:
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100_000_000
    return value if right else None


def _wait_of(headers: Message) -> float | None:
    """Return how many seconds Retry-After asks to wait; it holds seconds or a date."""
    told = str(headers.get("Retry-After", "")).strip()
    if told.isascii() and told.isdecimal() and len(told) < 10:
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _proxy_for(address: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment names for an address; this machine itself is asked without one."""
    host = address.hostname or ""
    told = urllib.request.getproxies().get(address.scheme)
    if not told or host in ("localhost", "127.0.0.1", "::1") or urllib.request.proxy_bypass(address.netloc):
        return None
    try:
        proxy = urlsplit(told if "://" in told else f"http://{told}")
        if proxy.hostname and proxy.port != 0:
            return proxy
    except ValueError:
        pass
    raise EndpointError(f"The proxy that the environment names for {address.scheme} is no address. Set it anew.")


def _login(proxy: SplitResult | None) -> dict[str, str]:
    if proxy is None or not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def is_same_model(told: str, endpoint: Endpoint) -> bool:
    """Return whether a server's answer comes from the model that was asked for, as far as its name says.

    Servers that tell no name are believed. A date or version behind the name is the same model, a longer name is not:
    `large-2026-01-31` is `large`, `large-mini` is not. The owner before a slash may be missing.
    """
    wanted = (endpoint.answers_as or endpoint.model).casefold()
    names = {wanted, wanted.rpartition("/")[2]}
    version = r"([-@:_](latest|main|v?\d{1,8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}))?"
    return not told or any(re.fullmatch(re.escape(name) + version, told.casefold()) for name in names)
