"""Ideas from papers: titles and abstracts that arXiv finds, over its Atom API, by the `arxiv` package.

Covered: one request, bounded time and bytes, at the pace that arXiv asks for; an answer that is no feed.
Not covered: whether a paper's claim is true.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from overnight.errors import TrackError, extra
from overnight.ideas.found import FoundIdea, found
from overnight.untrusted import line

if TYPE_CHECKING:
    import arxiv

MOST_PAPERS = 100  # of one request
QUERY = 300  # characters
ANSWER_SECONDS = 30.0  # for one answer
MOST_ANSWER_BYTES = 4 << 20
PAUSE = 3.0  # seconds between two requests, which arXiv asks for
RETRIES = 2


def from_arxiv(query: str, most: int = 20, address: str | None = None, pause: float = PAUSE) -> list[FoundIdea]:
    """The papers that a query finds, most relevant first; `address` is another server of the same API. Raises TrackError."""
    wanted = line(query, QUERY)
    if not wanted:
        raise TrackError("the query is empty: write what to look for, like arxiv:learning rate warmup.")
    with extra("ideas", "importing from arXiv"):
        import arxiv
        import requests
    client = _client(min(most, MOST_PAPERS), address, pause)
    try:
        results = list(client.results(arxiv.Search(query=wanted, max_results=min(most, MOST_PAPERS))))
    except (requests.exceptions.RequestException, arxiv.ArxivError, ValueError) as error:
        raise TrackError(_why(error)) from error
    finally:
        client._session.close()
    numbers = [line(str(result.get_short_id()).partition("v")[0], 60) for result in results]  # without their versions
    return [found(result.title, result.summary, f"arxiv:{number}") for result, number in zip(results, numbers, strict=True)]


def _client(most: int, address: str | None, pause: float) -> arxiv.Client:
    """A client with a bound on the time and bytes of an answer: the package has none."""
    import arxiv
    import requests

    class Bounded(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *_: Any, **options: Any) -> Any:
            answer = super().send(request, **(options | {"timeout": ANSWER_SECONDS, "stream": True}))
            until, content = time.monotonic() + ANSWER_SECONDS, bytearray()
            for piece in answer.iter_content(1 << 14):
                content += piece
                if len(content) > MOST_ANSWER_BYTES or time.monotonic() > until:
                    answer.close()
                    raise requests.exceptions.Timeout("the answer is too long")
            answer._content = bytes(content)
            return answer

    client = arxiv.Client(page_size=most, delay_seconds=pause, num_retries=RETRIES)
    if address:
        client.query_url_format = address + "?{}"
    for scheme in ("http://", "https://"):
        client._session.mount(scheme, Bounded())
    return client


def _why(error: Exception) -> str:
    """One sentence for why there are no papers."""
    if status := getattr(error, "status", None):
        return f"arXiv answered with status {status}: wait a little and try again, or say the query in other words."
    if isinstance(error, ValueError) and type(error).__module__ == "builtins":
        return "arXiv's answer cannot be read: try again later."
    if type(error).__name__ in ("ReadTimeout", "Timeout", "ConnectTimeout"):
        return "arXiv took too long to answer: try again later, or ask for fewer papers."
    return "arXiv cannot be reached: this machine seems to be offline."
