"""One request to one language model. The only module that knows pydantic-ai, and through it the providers' libraries.

A model is named `provider:name`:

    openai:gpt-5-mini               $OPENAI_API_KEY
    anthropic:claude-haiku-4-5      $ANTHROPIC_API_KEY
    google:gemini-2.5-flash         $GOOGLE_API_KEY or $GEMINI_API_KEY
    ollama:qwen3                    no key: on this machine, at the port that its server takes by itself
    vllm:NAME, llamacpp:NAME        likewise
    vllm:qwen3@http://10.0.0.5:8000/v1      the same elsewhere
    server:NAME                     any OpenAI-compatible server: at $OVERNIGHT_MODEL_URL, with $OVERNIGHT_MODEL_KEY if set
    server:NAME@http://host:port/v1 the same at an address of its own

Covered: a key goes only to the provider that it is for, $OVERNIGHT_MODEL_KEY only to the server that $OVERNIGHT_MODEL_URL
names, whatever a model's name says; a request ends at its deadline and is made once. Not covered: what a provider does with a
page.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import re
import ssl
import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from overnight.errors import Away, EditError, TrackError, extra

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model as Spoken
    from pydantic_ai.models import ModelRequestParameters

FIRST, LONGEST_WAIT_SECONDS = 2.0, 300.0  # seconds that a model is left alone after a failure, growing twofold
ASKED_FOR = 3600.0  # seconds: the longest wait that a server may ask for
MOST_FAILURES = 8  # failures in a row before a model that never answered is given up
GRACE = 40  # and one that did: some three hours
CONNECT = 10.0  # seconds
# What the providers' libraries let through where a server answers with JSON that is not the protocol's.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, RuntimeError)
UNKNOWN_SCHEMA = (400, 404, 415, 422, 501)  # what servers answer that know no schemas
COUNTABLE = 10**9  # tokens of one request that a server is believed


class Provider(Struct, frozen=True):
    """Where models of one kind are asked: the variables that may hold the key, the address of a server of one's own, and
    whether answers are held to a schema, unless the server refuses that."""

    keys: tuple[str, ...] = ()
    url: str = ""
    structured: bool = True


PROVIDERS = {
    "openai": Provider(("OPENAI_API_KEY",)),
    "anthropic": Provider(("ANTHROPIC_API_KEY",), structured=False),
    "google": Provider(("GOOGLE_API_KEY", "GEMINI_API_KEY"), structured=False),
    "ollama": Provider(url="http://127.0.0.1:11434/v1"),
    "vllm": Provider(url="http://127.0.0.1:8000/v1"),
    "llamacpp": Provider(url="http://127.0.0.1:8080/v1"),
    "server": Provider(),
}
URL, KEY = "OVERNIGHT_MODEL_URL", "OVERNIGHT_MODEL_KEY"


class Request(Struct, frozen=True):
    """One question to a model, and the role that asks it.

    asked         the seed of the brief
    stable        what is the same from one proposal to the next: it comes first, so that the provider's cache can hold it
    current       what is not
    conversation  earlier answers, each with what was said to it
    max_tokens    of the answer, with what the model thinks to itself
    timeout       seconds
    schema        of JSON, which the answer should keep; None: it is free
    """

    role: str
    purpose: str
    asked: int
    stable: str
    current: str
    conversation: tuple[tuple[str, str], ...] = ()
    max_tokens: int = 16_000
    timeout: float = 300.0
    schema: dict[str, Any] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is sent."""
        schema = () if self.schema is None else (json.dumps(self.schema),)
        return (self.stable, self.current, *(text for pair in self.conversation for text in pair), *schema)


class ModelAnswer(Struct, frozen=True):
    """The answer of a model.

    cached   those of `tokens_in` that the provider had in its cache
    dollars  its price; None where it is unknown
    counted  the server said how many tokens there were
    cut      it ends at `max_tokens`
    """

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    dollars: float | None = None
    counted: bool = True
    cut: bool = False


class ModelName(Struct, frozen=True):
    """A model's name, taken apart."""

    provider: str
    name: str
    url: str = ""


# ---- names and keys --------------------------------------------------------------------------------------------


def named(text: str, environ: Mapping[str, str] = os.environ) -> ModelName:
    """Take `provider:name` apart. Raises TrackError."""
    found = re.fullmatch(r"([a-z]+):([^\s@][^\s]*?)(?:@(https?://\S+))?", text)
    if not found or found[1] not in PROVIDERS:
        raise TrackError(f"'{text[:200]}' names no model: write provider:name, like openai:gpt-5-mini, ollama:qwen3 or "
                         f"server:NAME@http://127.0.0.1:8000/v1; the providers are {', '.join(PROVIDERS)}.")
    kind, name, given = found.groups()
    provider = PROVIDERS[kind]
    if given and provider.keys:
        raise TrackError(f"'{text[:200]}': {kind} has an address of its own; write server:NAME@URL for another server.")
    url = given or provider.url or (environ.get(URL, "") if kind == "server" else "")
    if kind == "server" and not url:
        raise TrackError(f"'{text[:200]}' has no address: write server:NAME@http://host:port/v1 or set {URL}.")
    try:
        parts = urlsplit(url)
        plain = not parts.username and not parts.password and parts.port != 0
        fits = plain and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fits = False
    if url and not fits:
        raise TrackError(f"'{text[:200]}': its address must be like http://127.0.0.1:8000/v1, without a user or a password; a "
                         f"key belongs into {KEY}.")
    return ModelName(kind, name, url.rstrip("/"))


def key(model: ModelName, environ: Mapping[str, str] = os.environ) -> str:
    """The key to send; "" where none is needed. Raises TrackError where it is missing."""
    names = PROVIDERS[model.provider].keys
    if not names:
        mine = environ.get(URL, "").rstrip("/") == model.url and model.url
        return environ.get(KEY, "") if mine else ""
    value = next((environ[name] for name in names if environ.get(name)), "")
    if not value.strip():
        raise TrackError(f"{model.provider}:{model.name} needs a key: set {' or '.join(names)} (`export {names[0]}=...`).")
    if not (value.isascii() and value.isprintable()):
        raise TrackError(f"{' or '.join(names)} holds characters that no key has: set it again.")
    return value.strip()


def check(text: str, environ: Mapping[str, str] = os.environ) -> None:
    """Raise TrackError where a model cannot be asked: no such name, no key, packages missing. Makes no request."""
    found = named(text, environ)
    key(found, environ)
    family = found.provider if found.provider in ("anthropic", "google") else "openai"
    with extra("llm", f"the model {text}"):
        importlib.import_module(f"pydantic_ai.models.{family}")


# ---- asking ----------------------------------------------------------------------------------------------------


class Model:
    """One model, asked by as many threads as one likes.

    price      dollars per million tokens (in, out), where the public price list does not know it
    base_url   another address of the provider, for a gateway; it gets the provider's key
    """

    def __init__(self, text: str, price: tuple[float, float] | None = None, base_url: str = "",
                 environ: Mapping[str, str] = os.environ) -> None:
        self.name, self._environ, self._given = text, environ, price
        self._named = named(text, environ)
        self._base_url = base_url or self._named.url
        self._lock = threading.Lock()
        self._failures, self._answered = 0, False
        self.structured = PROVIDERS[self._named.provider].structured

    def price(self, tokens_in: int, tokens_out: int, cached: int = 0, written: int = 0) -> float | None:
        """Dollars for so many tokens, of which the provider had `cached` in its cache and put `written` into it; None where
        is unknown. A price that was given holds for all tokens."""
        if self._given is not None:
            return (tokens_in * self._given[0] + tokens_out * self._given[1]) / 1e6
        from genai_prices import Usage, calc_price
        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out, cache_read_tokens=cached, cache_write_tokens=written)
        try:
            return float(calc_price(usage, self._named.name, provider_id=self._named.provider).total_price)
        except (LookupError, ValueError):
            return None

    def ask(self, request: Request) -> ModelAnswer:
        """One request; a second one, without the schema, where the server refuses that: then it is not sent one again. Raises
        Away: with a wait where it may go better later, without one where it will not; EditError where the conversation has
        become too long for the model."""
        from pydantic_ai.exceptions import AgentRunError, UserError
        before = self._failures
        try:
            answer = self._held(request, key(self._named, self._environ))
        except TrackError as error:
            raise Away(str(error)) from error
        except (AgentRunError, UserError) as error:
            if (final := self._final(error, request)) is not None:
                raise final from error
            raise self._passing(*self._failure(error, request), before, request.asked) from error
        except UNREADABLE as error:
            sentence = f"{self.name} gave an answer that cannot be read ({type(error).__name__})."
            raise self._passing(sentence, "refused", None, before, request.asked) from error
        with self._lock:
            self._failures, self._answered = 0, True
        return answer

    def _held(self, request: Request, secret: str) -> ModelAnswer:
        """One request, held to its schema if the server can do that."""
        from pydantic_ai.exceptions import ModelHTTPError
        if not self.structured or request.schema is None:
            return asyncio.run(self._ask(msgspec.structs.replace(request, schema=None), secret))
        try:
            return asyncio.run(self._ask(request, secret))
        except ModelHTTPError as error:
            if error.status_code not in UNKNOWN_SCHEMA:
                raise
            answer = asyncio.run(self._ask(msgspec.structs.replace(request, schema=None), secret))
        self.structured = False  # it was the schema
        return answer

    async def _ask(self, request: Request, secret: str) -> ModelAnswer:
        """One request, over a connection of its own: each has its own event loop."""
        import httpx2
        from pydantic_ai.direct import model_request
        from pydantic_ai.settings import ModelSettings
        settings = ModelSettings(max_tokens=request.max_tokens, timeout=request.timeout, request_timeout=request.timeout,
                                 max_retries=0, cache={"messages": bool(request.conversation)})
        limits = httpx2.Timeout(request.timeout, connect=min(CONNECT, request.timeout))
        local = urlsplit(self._named.url).hostname in ("127.0.0.1", "localhost", "::1")  # then no proxy is asked
        async with httpx2.AsyncClient(timeout=limits, trust_env=not local, verify=_trusted()) as client:
            model = _speak(self._named, self._base_url or None, secret, client)
            said = await model_request(model, _messages(request), model_settings=settings,
                                       model_request_parameters=_form(request.schema))
            return self._answer(said)

    def _answer(self, response: ModelResponse) -> ModelAnswer:
        from pydantic_ai.messages import TextPart
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
        usage = response.usage
        counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
        into, out, cached, written = (min(max(0, each), COUNTABLE) for each in counts)  # a server's word is no credit
        cached, written = min(cached, into), min(written, into)
        counted = not usage.unmeasured_requests and into > 0
        dollars = self.price(into, out, cached, written) if counted else None
        return ModelAnswer(whole(text), into, out, cached, dollars, counted, response.finish_reason == "length")

    def _final(self, error: Exception, request: Request) -> Away | None:
        """A provider's error that trying again will not mend; None for any other. Raises EditError."""
        from pydantic_ai import exceptions as e
        if isinstance(error, e.ModelContextWindowExceededError):
            if request.conversation:
                raise EditError(f"the conversation has become longer than {self.name} can read.")
            return Away(f"{self.name} cannot read a page that long: choose a model with a larger context.")
        if isinstance(error, e.ModelQuotaExceededError):
            return Away(f"{self.name}: the account has no credit left: top it up, or choose another model.", outcome="limit")
        if isinstance(error, e.ModelAuthenticationError):
            variable = " or ".join(PROVIDERS[self._named.provider].keys) or KEY
            return Away(f"{self.name} refuses the key: check {variable}.")
        if isinstance(error, e.ModelNotFoundError):
            close = getattr(error, "suggested_model_id", None)
            meant = f" (did you mean {close}?)" if close else ""
            where = " and its address" if self._base_url else ""
            return Away(f"{self.name}: there is no such model{meant}: check its name{where}.")
        return None

    def _failure(self, error: Exception, request: Request) -> tuple[str, str, float | None]:
        """A provider's error that may pass: a sentence, the outcome, and the seconds that the server asks for."""
        from pydantic_ai import exceptions as e
        if isinstance(error, e.ModelRateLimitError):
            return f"{self.name} takes no more requests at the moment (429).", "limit", error.retry_after
        sent = getattr(error, "phase", None) not in ("connect", "pool")
        if isinstance(error, e.ModelTimeoutError | e.ModelRequestTimeout) and sent:
            return f"{self.name} gave no answer within {request.timeout:g} s.", "timeout", None
        if isinstance(error, e.ModelConnectionError):
            why = "the connection broke" if sent else "cannot be reached: see whether its server and the network are up"
            return f"{self.name}: {why}.", "outage", None
        if isinstance(error, e.ModelUnavailableError | e.ModelServerError):
            words = f"{self.name} fails for reasons of its own: {_words(error)}."
            return words, "outage", getattr(error, "retry_after", None)
        return f"{self.name} gave no answer: {_words(error)}.", "refused", None

    def _passing(self, sentence: str, outcome: str, asked_for: float | None, before: int, seed: int) -> Away:
        """What a failure that may pass means for the next request. Those that were under way together count as one."""
        with self._lock:
            self._failures += self._failures == before
            row, patience = max(1, self._failures), GRACE if self._answered else MOST_FAILURES
        if row >= patience:
            return Away(f"{sentence} That was failure {row} in a row: it is not asked again.", None, outcome)
        return Away(sentence, wait(row, seed, asked_for), outcome)


def wait(row: int, seed: int, asked_for: float | None = None) -> float:
    """Seconds until the next try after so many failures in a row: doubling, never sooner than the server asks for, and
    spread a little, so that many do not come back at once."""
    least = min(FIRST * 2.0 ** (min(row, 20) - 1), LONGEST_WAIT_SECONDS)
    if asked_for is not None and asked_for >= 0:
        least = max(least if row > 1 else 0.0, min(asked_for, ASKED_FOR))
    return float(least * (1 + 0.25 * random.Random(f"{seed} {row}").random()))


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that a server must show one of, read once: that takes longer than all the rest of a request."""
    import httpx2
    return httpx2.create_ssl_context()


def whole(text: str) -> str:
    """A text without halves of characters, which cannot be sent."""
    return text.encode(errors="replace").decode()


def _messages(request: Request) -> list[ModelMessage]:
    from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
    first = ModelRequest(parts=[UserPromptPart(whole(request.current))], instructions=whole(request.stable))
    said: list[ModelMessage] = [first]
    for answer, reply in request.conversation:
        said += [ModelResponse(parts=[TextPart(answer or "(no text)")]),
                 ModelRequest(parts=[UserPromptPart(whole(reply))], instructions=first.instructions)]
    return said


def _form(schema: dict[str, Any] | None) -> ModelRequestParameters | None:
    """A schema as a request has it."""
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    if schema is None:
        return None
    held = OutputObjectDefinition(schema, name="change", strict=True)
    return ModelRequestParameters(output_mode="native", output_object=held)


def _speak(model: ModelName, base_url: str | None, secret: str, client: Any) -> Spoken:
    """pydantic-ai's own object for a model."""
    from pydantic_ai.models import infer_model
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers import infer_provider_class
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
    if PROVIDERS[model.provider].keys:
        kind = "openai-chat" if model.provider == "openai" else model.provider
        provider: Any = infer_provider_class(kind)
        return infer_model(f"{kind}:{model.name}", lambda _: provider(api_key=secret, base_url=base_url, http_client=client))
    served = OpenAICompatibleProvider(model.provider, base_url=base_url or "", api_key=secret or "none", http_client=client)
    old_name = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False,  # the only one that they all know
                                  supports_json_schema_output=True, json_schema_transformer=None)  # OpenAI's drops bounds
    return OpenAIChatModel(model.name, provider=served, profile=old_name)


def _words(error: Exception) -> str:
    """What a server said of its error, in one short line; it is untrusted text."""
    said = " ".join("".join(c if c.isprintable() else " " for c in str(error)[:1_000]).split())
    return said[:200].rstrip(".")
