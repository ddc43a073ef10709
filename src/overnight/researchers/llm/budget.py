"""What models may cost: bounds on tokens and dollars, for a night and for one experiment, checked before each call.

Covered: before a call its upper bound is set aside, so that calls under way together cannot pass a bound that each alone
would keep; a call that does not fit is not made, and one that may fit when others have shown what they cost waits for
that. What a call without an answer may have cost (a timeout) stays set aside.
Not covered: a provider that counts more tokens than the estimate: the estimate then grows, and the difference is what the
bound can be passed by, once; prices that changed since the price list was made; a connection that broke after the question
was sent, which counts as unpaid.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
from msgspec import Struct

from overnight.contracts import Call
from overnight.errors import Away, EditError, TrackError
from overnight.researchers.llm.model import ModelAnswer, Request
from overnight.untrusted import tokens

FRAME = 16  # tokens around each message
ROUNDING = 1e-12  # dollars


class LanguageModel(Protocol):
    """A language model that a budget pays for: a Model, or a double of one."""

    name: str

    @property
    def structured(self) -> bool:
        """Whether its server holds an answer to a schema, as far as that is known."""
        ...

    def price(self, tokens_in: int, tokens_out: int, cached: int = 0, written: int = 0) -> float | None:
        """Dollars for so many tokens; None where the price is unknown."""
        ...

    def ask(self, request: Request) -> ModelAnswer:
        """One request. Raises Away, EditError."""
        ...


class BudgetBounds(Struct, frozen=True):
    """The most that may be used; None is no bound. `each` is for one experiment, with its repairs and its critic."""

    tokens: int | None = None
    dollars: float | None = None
    tokens_each: int | None = None
    dollars_each: float | None = None


class Spending(Struct, frozen=True):
    """Tokens of both directions, and US dollars."""

    tokens: int = 0
    dollars: float = 0.0

    def plus(self, other: Spending) -> Spending:
        """Both together."""
        return Spending(self.tokens + other.tokens, self.dollars + other.dollars)

    def minus(self, other: Spending) -> Spending:
        """This without the other."""
        return Spending(self.tokens - other.tokens, self.dollars - other.dollars)

    def within(self, tokens: int | None, dollars: float | None) -> bool:
        """Whether it keeps these bounds."""
        return (tokens is None or self.tokens <= tokens) and (dollars is None or self.dollars <= dollars + ROUNDING)


NOTHING = Spending()


class ModelBudget:
    """Keeps calls to models within their bounds, and hands on a record of each call. Safe for many threads.

    spent  gets each call as it ends, also those without an answer; from the thread that made it
    used   what the night has paid, or may have (a timeout); at first what was spent before, where a resumed night goes on
    """

    def __init__(self, bounds: BudgetBounds, spent: Callable[[Call], None], used: Spending = NOTHING,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds, self.used, self._spent, self._clock = bounds, used, spent, clock
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)  # a call ended, or the night did
        self._open: dict[object, tuple[Call, float]] = {}  # calls under way, and when they began
        self._closed = False
        self._aside = NOTHING  # for calls under way
        self._each: dict[int, Spending] = {}  # what an experiment used and set aside, by the seed of its brief
        self._stretch: dict[str, float] = {}  # model -> tokens that it counted for one of the estimate, at the most

    def check(self, model: LanguageModel) -> None:
        """Raise TrackError where dollars are bounded and a model's price is unknown."""
        if (self.bounds.dollars, self.bounds.dollars_each) != (None, None) and model.price(1, 1) is None:
            raise TrackError(f"the price of {model.name} is unknown, so dollars cannot be bounded: give its price with "
                             "--price IN,OUT (dollars per million tokens), or bound tokens instead.")

    def ask(self, model: LanguageModel, request: Request) -> ModelAnswer:
        """Make a call, if it fits. Raises Away (the night's bounds; the model's own reasons), EditError (the experiment's)."""
        with self._lock:
            stretch = self._stretch.get(model.name, 1.0)
        guess = int(stretch * sum(tokens(text) + FRAME for text in request.texts)) + 1  # tokens of prompt, at the most
        most = self._most(model, guess, request.max_tokens)
        self._set_aside(model, request, most)
        call = Call(request.role, model.name, request.purpose, request.asked, outcome="outage")
        ticket, began = object(), self._clock()
        with self._lock:
            self._open[ticket] = call, began
        try:
            answer = model.ask(request)
            call = self._paid(call, answer, guess, model)
        except Away as away:
            call = msgspec.structs.replace(call, outcome=away.outcome)
            raise
        except EditError:
            call = msgspec.structs.replace(call, outcome="refused")
            raise
        finally:
            self._settle(ticket, call, most, began)
        return answer

    def close(self, patience: float) -> None:
        """The night ends: no further call is made. Those under way have so many seconds; of the rest it is recorded that they
        were stopped, for they may be paid all the same."""
        with self._lock:
            self._closed = True
            self._settled.notify_all()
            self._settled.wait_for(lambda: not self._open, patience)
            for call, began in self._open.values():
                self._spent(msgspec.structs.replace(call, outcome="stopped", seconds=self._clock() - began))
            self._open.clear()

    def _most(self, model: LanguageModel, guess: int, out: int) -> Spending:
        """The upper bound of a call. Raises Away where it cannot be known."""
        try:
            self.check(model)
        except TrackError as error:
            raise Away(str(error)) from error
        prices = (model.price(guess, out), model.price(guess, out, written=guess))
        return Spending(guess + out, max(price or 0.0 for price in prices))

    def _set_aside(self, model: LanguageModel, request: Request, most: Spending) -> None:
        bounds = self.bounds
        with self._settled:
            each = self._each.get(request.asked, NOTHING).plus(most)
            if not each.within(bounds.tokens_each, bounds.dollars_each):
                raise EditError("another call could pass the budget of one experiment "
                                f"({_bound(bounds.tokens_each, bounds.dollars_each)}).")
            night = (bounds.tokens, bounds.dollars)
            while not self._closed and not (gone := self.used.plus(most)).plus(self._aside).within(*night):
                if not self._aside.tokens or not gone.within(*night):
                    price = "" if bounds.dollars is None else f" and ${most.dollars:.4f}"
                    raise Away(f"the night's budget ({_bound(*night)}) has no room for another call of "
                               f"{model.name}, which may take {most.tokens:,} tokens{price}.")
                self._settled.wait()
            if self._closed:
                raise Away("the night is over.")
            self._aside, self._each[request.asked] = self._aside.plus(most), each

    def _paid(self, call: Call, answer: ModelAnswer, guess: int, model: LanguageModel) -> Call:
        """The record of an answered call; where the server did not count, by the estimate."""
        into, out, dollars = answer.tokens_in, answer.tokens_out, answer.dollars
        if not answer.counted:
            into, out = guess, tokens(answer.text)
            dollars = model.price(into, out)
        with self._lock:
            stretch = self._stretch.get(model.name, 1.0)
            self._stretch[model.name] = max(stretch, stretch * into / guess)
        return msgspec.structs.replace(call, tokens_in=into, tokens_out=out, cached=answer.cached, dollars=dollars,
                                       outcome="ok")

    def _settle(self, ticket: object, call: Call, most: Spending, began: float) -> None:
        """Count what a call really took, instead of what was set aside for it, and hand its record on, unless it was recorded
        when the night ended."""
        paid = most if call.outcome == "timeout" else total([call])
        with self._lock:
            self._aside = self._aside.minus(most)
            self.used = self.used.plus(paid)
            self._each[call.asked] = self._each[call.asked].minus(most).plus(paid)
            if self._open.pop(ticket, None) is not None:
                self._spent(msgspec.structs.replace(call, seconds=self._clock() - began))
            self._settled.notify_all()


def total(calls: Iterable[Call]) -> Spending:
    """What calls took together; a call without a price counts no dollars."""
    taken = list(calls)
    return Spending(sum(c.tokens_in + c.tokens_out for c in taken), math.fsum(c.dollars or 0.0 for c in taken))


def _bound(tokens: int | None, dollars: float | None) -> str:
    said = ([] if tokens is None else [f"{tokens:,} tokens"]) + ([] if dollars is None else [f"${dollars:g}"])
    return " and ".join(said)
