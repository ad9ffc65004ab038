"""Analyse a ticket with Gemini. The only module that imports google-generativeai.

Google has ended the library's support. tests/tasks/test_gemini.py checks the HTTP requests only, so
that a replacement has to pass it, too. The import takes half a second and 60 MB: import this module
only if a key is set.
"""

import io
import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from services.analysis.model_exchange import (
    INSTRUCTION,
    Analysis,
    AnalysisFailed,
    FailureReason,
    Precedent,
    answer_schema,
    build_prompt,
    new_fence_token,
    parse_answer,
)
from services.models.ticket import AnalysisSource

with warnings.catch_warnings():  # the library's end-of-support notice
    warnings.simplefilter("ignore", FutureWarning)
    from google.ai.generativelanguage import GenerativeServiceClient
    from google.generativeai.client import configure, get_default_generative_client
    from google.generativeai.protos import (
        Candidate,
        Content,
        GenerateContentRequest,
        GenerateContentResponse,
        GenerationConfig,
        Part,
    )
    from google.protobuf.json_format import ParseError

# A thinking model's thoughts count as output: with 1,000 it may not reach its answer. The library
# cannot set how much a model thinks:
# https://ai.google.dev/gemini-api/docs/generate-content/thinking
MAX_OUTPUT_TOKENS = 16_384
MAX_ANSWER_BYTES = 1_000_000
# A model version that may be shown on a card.
MODEL_VERSION_PATTERN = re.compile(r"[\w./:@-]{1,80}", re.ASCII)

FAILURE_BY_STATUS = {
    401: FailureReason.REFUSED_KEY,
    403: FailureReason.REFUSED_KEY,
    408: FailureReason.TIMEOUT,
    429: FailureReason.QUOTA,
    504: FailureReason.TIMEOUT,
}
BLOCKED_FINISH_REASONS = frozenset(
    {
        Candidate.FinishReason.SAFETY,
        Candidate.FinishReason.RECITATION,
        Candidate.FinishReason.LANGUAGE,
        Candidate.FinishReason.BLOCKLIST,
        Candidate.FinishReason.PROHIBITED_CONTENT,
        Candidate.FinishReason.SPII,
    }
)
# These log whole requests at DEBUG, with the text of the ticket.
TALKATIVE_LOGGERS = (
    "google.auth.transport.requests",
    "google.ai.generativelanguage_v1beta.services.generative_service.transports.rest",
)


class GeminiAnalyst:
    """`services.analysis.model_exchange.Analyst` over Gemini's REST API.

    `timeout` (seconds) limits connecting, the wait for the response, and the whole call. Only a
    server that drips its *headers* takes longer, until Celery's soft limit. It does not retry.
    """

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        api_url: str | None = None,
        timeout: float = 10.0,
        mark: Callable[[], str] = new_fence_token,
    ) -> None:
        self._mark = mark
        self._name = model
        self._model = model if "/" in model else f"models/{model}"
        self._timeout = timeout
        self._client = _client(api_key=api_key, api_url=api_url, timeout=timeout)
        for name in TALKATIVE_LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)

    def analyse(
        self,
        *,
        title: str,
        description: str,
        skills: Sequence[str],
        precedents: Sequence[Precedent] = (),
    ) -> Analysis:
        """Analyse the ticket, with secrets masked. Raises `AnalysisFailed`, which holds no text."""
        began = time.monotonic()
        prompt_text = build_prompt(
            title=title, description=description, precedents=precedents, fence_token=self._mark()
        )
        response = self._ask(self._request(prompt_text, skills))
        answer = parse_answer(_text(response), skills=skills)
        return Analysis(
            summary=answer.summary,
            priority=answer.priority,
            related_skills=answer.related_skills,
            helpful_notes=answer.helpful_notes,
            confidence=answer.confidence,
            source=AnalysisSource.GEMINI,
            model=self._name,
            model_version=_model_version(response),
            tokens=max(response.usage_metadata.total_token_count, 0) or None,
            ms=round((time.monotonic() - began) * 1_000),
        )

    def _request(self, prompt_text: str, skills: Sequence[str]) -> GenerateContentRequest:
        return GenerateContentRequest(
            model=self._model,
            system_instruction=Content(parts=[Part(text=INSTRUCTION)]),
            contents=[Content(role="user", parts=[Part(text=prompt_text)])],
            generation_config=GenerationConfig(
                max_output_tokens=MAX_OUTPUT_TOKENS,
                response_mime_type="application/json",
                response_schema=answer_schema(skills),
            ),
        )

    def _ask(self, request: GenerateContentRequest) -> GenerateContentResponse:
        # Raised outside of `except`, so that it is not chained to a library's error, whose message
        # may quote the ticket or the answer. Celery's SoftTimeLimitExceeded passes through.
        try:
            # Without retry=None the library retries a 503 for minutes, beyond the timeout.
            return self._client.generate_content(request, timeout=self._timeout, retry=None)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            reason = FailureReason.TIMEOUT
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            reason = FailureReason.UNAVAILABLE
        except (ParseError, UnicodeDecodeError):
            reason = FailureReason.UNREADABLE
        raise AnalysisFailed(reason)


def _model_version(response: GenerateContentResponse) -> str | None:
    """The model's version in the response, if it is well-formed."""
    version: str = response.model_version
    return version if MODEL_VERSION_PATTERN.fullmatch(version) else None


def _text(response: GenerateContentResponse) -> str:
    """The text of a complete answer. Raises `AnalysisFailed` for any other."""
    if response.prompt_feedback.block_reason:
        raise AnalysisFailed(FailureReason.BLOCKED)
    if not response.candidates:
        raise AnalysisFailed(FailureReason.EMPTY)
    candidate = response.candidates[0]
    if candidate.finish_reason in BLOCKED_FINISH_REASONS:
        raise AnalysisFailed(FailureReason.BLOCKED)
    if candidate.finish_reason == Candidate.FinishReason.MAX_TOKENS:
        raise AnalysisFailed(FailureReason.TRUNCATED)
    text = "".join(part.text for part in candidate.content.parts)
    if not text:
        raise AnalysisFailed(FailureReason.EMPTY)
    if candidate.finish_reason != Candidate.FinishReason.STOP:  # one the library does not know
        raise AnalysisFailed(FailureReason.UNREADABLE)
    return text


def _client(*, api_key: str, api_url: str | None, timeout: float) -> GenerativeServiceClient:
    """A separate client: configuring another one does not change this one's key or URL."""
    endpoint = {"api_endpoint": api_url.rstrip("/")} if api_url else None
    configure(api_key=api_key, transport="rest", client_options=endpoint)  # no gRPC: workers fork
    client = get_default_generative_client()
    transport: Any = client.transport
    session: requests.Session = transport._session  # it has no public accessor
    session.hooks["response"] = [_raise_for_status]
    session.headers["Accept-Encoding"] = "identity"  # a slow compressed body cannot be timed
    for scheme in ("https://", "http://"):
        session.mount(scheme, _DeadlineAdapter(seconds=timeout))
    return client


def _raise_for_status(response: requests.Response, **_: Any) -> None:
    """Raise for any status but 200, before the library handles it.

    The library would retry a 401 twice, send the key along with a redirect to another host, and
    raise an AttributeError for an error body that is not in Google's format.
    """
    status = response.status_code
    if status == requests.codes.ok:
        return
    if "API_KEY_INVALID" in response.text:  # Google answers with a 400
        raise AnalysisFailed(FailureReason.REFUSED_KEY)
    other = FailureReason.REFUSED_REQUEST if 400 <= status < 500 else FailureReason.UNAVAILABLE
    raise AnalysisFailed(FAILURE_BY_STATUS.get(status, other))


class _DeadlineAdapter(HTTPAdapter):
    """Reads the whole body itself, because requests' timeout restarts with every byte."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(max_retries=0)
        self._seconds = seconds

    # same arguments, passed on
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        deadline = time.monotonic() + self._seconds
        response = super().send(request, **(options | {"stream": True}))
        body = bytearray()
        while piece := response.raw.read1(65_536, decode_content=True):
            body += piece
            if time.monotonic() > deadline:
                response.close()
                raise requests.ReadTimeout
            if len(body) > MAX_ANSWER_BYTES:
                response.close()
                raise AnalysisFailed(FailureReason.UNREADABLE)
        response.raw = io.BytesIO(_without_thoughts(bytes(body)))
        return response


def _without_thoughts(body: bytes) -> bytes:
    """Remove the parts that hold a model's thoughts, which the library takes for its answer."""
    try:
        response = json.loads(body)
        for candidate in response["candidates"]:
            content = candidate["content"]
            content["parts"] = [part for part in content["parts"] if not part.get("thought")]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return body  # an error, or an answer without text: handled where it is read
    return json.dumps(response).encode()
