"""``POST /conversation_with_model`` and its extended form: one user statement, a history and a prompt by name.

Both build a canonical chat request: the system prompt of the library in the request's language, the history, the
statement. Fields that these forms do not name (``tools``, ``response_format``, ...) pass on as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from handlers.base.answering import AnsweringHandler
from handlers.base.prepared import Prepared, UsedPrompt
from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import (
    ChatRequest,
    MaybeNumber,
    Message,
    Open,
    Stop,
    Variables,
    validated,
)

DEFAULT_PROMPT = "conversation"
_SHORT_ROLES = frozenset({"user", "assistant", "system"})


class ConversationRequest(Open):
    """``POST /conversation_with_model``."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str = Field(min_length=1)
    user_last_statement: str
    historical_messages: list[Message] = []
    language: str | None = None
    prompt: str | None = None
    prompt_vars: Variables = {}
    stream: bool | None = None

    @field_validator("historical_messages", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """``{"user": "..."}`` means ``{"role": "user", "content": "..."}``."""
        if value is None:
            return []
        return [_long(item) for item in value] if isinstance(value, list) else value


class ExtendedConversationRequest(ConversationRequest):
    """``POST /extended_conversation_with_model``: the caller's own system prompt and sampling parameters."""

    system_prompt: str | None = None
    temperature: MaybeNumber = None
    max_new_tokens: int | None = None
    top_k: int | None = None
    top_p: MaybeNumber = None
    typical_p: MaybeNumber = None
    repetition_penalty: MaybeNumber = None
    seed: int | None = None
    stop: Stop = None
    options: dict[str, Any] | None = None


class ConversationHandler(AnsweringHandler):
    """The plain form."""

    endpoint = "/conversation_with_model"
    form: type[ConversationRequest] = ConversationRequest

    async def post(self) -> None:
        body = await self.json_body()
        if "model_name" not in body and "model" in body:
            body["model_name"] = body.pop("model")
        form = await self.beside(validated, self.form, body)

        async def prepare(deployment: Deployment) -> Prepared:
            system, used = await self.beside(self._system, form, deployment)
            request = await self.beside(canonical, form, body, system)
            return Prepared(request, OpenAIFace(request.wants_usage, request.model), prompt=used)

        await self.answer(self.route(form.model_name, body, stream=form.stream is not False), prepare)

    def _system(self, form: ConversationRequest, deployment: Deployment) -> tuple[str, UsedPrompt | None]:
        """The system prompt and what to call it. Raises ``PromptNotFound`` or ``InvalidRequest`` (slots)."""
        own = getattr(form, "system_prompt", None)
        if own is not None:
            if form.prompt_vars:
                raise InvalidRequest.of([Problem("prompt_vars", "has no meaning beside system_prompt")])
            return own, None
        ref = form.prompt or deployment.prompt or DEFAULT_PROMPT
        default = self.gateway.settings.default_ep_language
        found = self.snapshot.prompts.find(ref, form.language, default)
        prompt = found.prompt
        return prompt.render(form.prompt_vars), UsedPrompt(prompt.ref, found.language)


class ExtendedConversationHandler(ConversationHandler):
    """The extended form."""

    endpoint = "/extended_conversation_with_model"
    form = ExtendedConversationRequest


#: Fields of the forms that have no place in a chat request, or another name there.
_OURS = frozenset(ConversationRequest.model_fields) | {
    "system_prompt",
    "options",
    "max_new_tokens",
    "model",
}


def canonical(form: ConversationRequest, body: Mapping[str, Any], system: str) -> ChatRequest:
    """The chat request that ``form`` (validated from ``body``) stands for."""
    messages = [{"role": "system", "content": system}] if system else []
    messages += [_long(item) for item in body.get("historical_messages") or []]
    messages.append({"role": "user", "content": form.user_last_statement})
    sent = {key: value for key, value in body.items() if key not in _OURS and value is not None}
    options = body.get("options") if isinstance(form, ExtendedConversationRequest) else None
    for key, value in (options or {}).items():
        sent.setdefault(key, value)
    if isinstance(form, ExtendedConversationRequest) and form.max_new_tokens is not None:
        sent.setdefault("max_tokens", form.max_new_tokens)
    sent.update(model=form.model_name, messages=messages, stream=form.stream is not False)
    return ChatRequest.of(sent)


def _long(item: Any) -> Any:
    """The long form of one historical message; anything else is left for validation to name."""
    if isinstance(item, dict) and len(item) == 1 and "role" not in item:
        role, content = next(iter(item.items()))
        if role in _SHORT_ROLES:
            return {"role": role, "content": content}
    return item


routes: list[tuple[str, Any]] = [
    ("/conversation_with_model", ConversationHandler),
    ("/extended_conversation_with_model", ExtendedConversationHandler),
]
