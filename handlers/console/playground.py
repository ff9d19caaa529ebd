"""``POST /console/api/compose``: what a conversation of the playground is in the form of one API, for the page to send; nothing is sent here."""

from __future__ import annotations

from random import getrandbits
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from handlers.console.base import ConsoleHandler
from llm_proxy.console.playground.forms import FORMS
from llm_proxy.console.playground.question import Called, Picture, Question, Turn
from llm_proxy.console.playground.reads import READS
from llm_proxy.console.playground.snippets import curl, python
from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.schema import Variables, validated
from llm_proxy.wire.strict_json import parse_object

#: What stands for a key in what is to be pasted.
_KEY = "YOUR-KEY"


def _said(value: Any) -> Any:
    """A field that nobody has filled in says nothing."""
    return None if value == "" else value


Maybe = Annotated[float | None, BeforeValidator(_said)]
MaybeWhole = Annotated[int | None, BeforeValidator(_said)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PictureForm(_Form):
    """``data``: base64."""

    type: str
    data: str


class CallForm(_Form):
    """A tool that the model wants."""

    id: str | None = None
    name: str
    args: str = ""
    signature: str | None = None


class TurnForm(_Form):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    images: list[PictureForm] = []
    calls: list[CallForm] = []
    call: str | None = None
    name: str | None = None

    def turn(self) -> Turn:
        """As a value."""
        return Turn(
            self.role,
            self.text,
            tuple(Picture(one.type, one.data) for one in self.images),
            tuple(Called(one.id, one.name, one.args, one.signature) for one in self.calls),
            self.call,
            self.name,
        )


class PromptForm(_Form):
    """A prompt of the library, with what stands in its slots."""

    id: str
    language: str | None = None
    values: Variables = {}


class ComposeRequest(_Form):
    """``url``: where the page stands. Of what is typed ``tools`` and ``extra`` are JSON, and ``stop`` has a text on each line."""

    url: str
    face: Literal["openai", "responses", "anthropic", "ollama", "gemini", "api"]
    model: str
    turns: list[TurnForm]
    stream: bool = True
    prompt: PromptForm | None = None
    system: str = ""
    temperature: Maybe = None
    top_p: Maybe = None
    max_tokens: MaybeWhole = None
    seed: MaybeWhole = None
    stop: str = ""
    tools: str = ""
    extra: str = ""


class ComposeHandler(ConsoleHandler):
    """See the module. Answers ``id``: what the request may be called, ``path`` below the gateway's root, ``body``, ``reads``: where the answer says what, and the same as ``curl``
    and as ``python``."""

    endpoint = "/console/api/compose"

    async def post(self) -> None:
        form = await self.beside(validated, ComposeRequest, await self.json_body())
        self.send_json(await self.beside(self._composed, form))

    def _composed(self, form: ComposeRequest) -> dict[str, Any]:
        asked = Question(
            form.model,
            tuple(one.turn() for one in form.turns),
            form.stream,
            self._system(form),
            form.temperature,
            form.top_p,
            form.max_tokens,
            form.seed,
            tuple(line for line in form.stop.split("\n") if line),
            tuple(_tools(form.tools)),
        )
        extra = _object(form.extra, "extra", "More fields")
        shape, prefix = FORMS[form.face], self.gateway.settings.ep_prefix.rstrip("/")
        path = shape.path(asked) if shape.path is not None else f"{prefix}/chat".lstrip("/")
        body = shape.body(asked) | extra
        url, key = form.url.rstrip("/"), _KEY if self.snapshot.access is not None else None
        return {
            "id": f"{getrandbits(128):032x}",
            "path": path,
            "body": body,
            "reads": READS[form.face],
            "curl": curl(f"{url}/{path}", body, key),
            "python": python(form.face, asked, body, url, prefix, key),
        }

    def _system(self, form: ComposeRequest) -> str | None:
        """The prompt of the library, rendered, and what was typed."""
        said = [form.system.strip()]
        if form.prompt is not None:
            language = self.gateway.settings.default_ep_language
            found = self.snapshot.prompts.find(form.prompt.id, form.prompt.language, language)
            said.insert(0, found.prompt.render(form.prompt.values))
        return "\n\n".join(filter(None, said)) or None


def _object(text: str, name: str, title: str) -> dict[str, Any]:
    try:
        return parse_object(text.encode()) if text.strip() else {}
    except ValueError as error:  # JsonProblem; or half of a pair of surrogates
        raise InvalidRequest.of([Problem(name, f"{title}: {error}")]) from error


def _tools(text: str) -> list[dict[str, Any]]:
    """As they are, or wrapped as OpenAI has them."""
    if not text.strip():
        return []
    tools = _object(f'{{"tools": {text}}}', "tools", "Tools").get("tools")
    if not isinstance(tools, list) or not all(isinstance(one, dict) for one in tools):
        raise InvalidRequest.of([Problem("tools", "Tools: must be a list of objects")])
    return [one["function"] if isinstance(one.get("function"), dict) else one for one in tools]


root_routes: list[tuple[str, Any]] = [("/console/api/compose", ComposeHandler)]
