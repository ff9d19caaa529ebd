"""What one vendor of OpenAI's dialect takes: a frozen row. The rows themselves stand in ``vendors``.

Laws: data, not code; a field says what the vendor's own reference, its client's types or its users' reports say, and the
defaults are what nearly every server of the dialect takes. Whoever makes a request fit (``fit``) asks the row and never
for a name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

#: Parameters of OpenAI's own chat completions, besides model and messages: openai-python, types/chat/
#: completion_create_params.py. A test compares them with the client that is installed.
PARAMS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata "
    "modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options "
    "prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream "
    "stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options".split()
)
#: What others have of it: not what belongs to OpenAI's own platform.
COMMON = PARAMS - frozenset(
    "audio modalities moderation prompt_cache_key prompt_cache_options prompt_cache_retention safety_identifier "
    "service_tier store metadata verbosity web_search_options function_call functions".split()
)

#: What only OpenAI has of its Responses API: tools that the client runs, but for functions, and conversations made short.
CLIENT_SIDE = frozenset({"client_tools", "compaction"})

#: Where texts of the system may stand. anywhere: as many as one likes; apart: not one behind the other; first: one, at
#: the very beginning, because the chat templates of many open models raise an exception for any other.
System = Literal["anywhere", "apart", "first"]
Limit = Literal["either", "max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row. ``hosts``: a request to one of these, or below it, is to this vendor."""

    name: str
    title: str
    hosts: tuple[str, ...] = ()

    #: The parameters that it knows; None: it ignores, or judges itself, what it does not know.
    params: frozenset[str] | None = None
    #: Parameters that it refuses, or that do nothing there.
    refuses: frozenset[str] = frozenset()
    #: Ours and its name for one thing.
    renames: tuple[tuple[str, str], ...] = ()
    #: The name of the limit of tokens.
    limit: Limit = "either"
    #: Levels of effort, the least first; empty: any.
    efforts: tuple[str, ...] = ()
    #: Models (a pattern of the end of their names' path) and parameters that these refuse.
    models: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = ()
    #: How long ``user`` and other names of somebody may be.
    user_length: int = 64
    #: How many texts may end an answer; 0: any number.
    stops: int = 0
    #: Whether it knows what ``prompt_cache_key`` is.
    cache_keys: bool = False
    #: Whether usage in a stream is asked for by ``stream_options``; else it comes unasked, or never.
    stream_options: bool = True

    #: Whether it refuses unknown fields of messages, parts, calls and tools.
    strict: bool = False
    #: Fields of an assistant's messages, and of parts, that it knows beside the common ones, where it is strict.
    fields: frozenset[str] = frozenset()
    part_fields: frozenset[str] = frozenset()
    #: Whether messages may have a ``name``.
    names: bool = True
    #: Whether marks for caches (``cache_control``) are read.
    marks: bool = False
    #: Whether it knows the role developer.
    developer: bool = False
    system: System = "first"
    #: Whether it judges histories: roles, calls without results and results without calls, arguments that are no text.
    pairs: bool = False
    #: Whether users' and assistants' turns have to alternate.
    alternates: bool = False
    #: The names under which an answer's thinking may come back in a history, its own first; empty: none may.
    thoughts: tuple[str, ...] = ("reasoning_content", "reasoning")
    #: Whether thinking must stand beside each call of a history.
    must_think: bool = False
    #: Whether an answer's parts of the type thinking may come back.
    thinking_parts: bool = False
    #: Whether blocks of thinking that other gateways or this one have signed may come back.
    signed: bool = False
    #: Whether results of tools may hold pictures and files.
    pictures: bool = False
    #: Whether ``file_data`` may be an address. (LiteLLM takes one as a ``file_id``.)
    file_urls: bool = False
    #: Whether an assistant's turn may be empty.
    empty_turns: bool = True
    #: Whether content that is texts only is written as one string.
    joins: bool = False

    #: The grammar of a call's id, and how long a new one is.
    call_id: re.Pattern[str] | None = None
    call_length: int = 24
    #: Whether a tool's name must be one that OpenAI takes: 64 letters, digits, ``_`` and ``-``.
    tool_names: bool = False
    #: Whether tools may be declared as strict.
    strict_tools: bool = True
    #: Whether arrays in schemas need ``items``, and whether ``anyOf`` may stand beside a ``type``.
    items: bool = False
    any_of_alone: bool = False
    #: Whether arguments are written by a grammar made of the schema: there an object without ``properties`` may hold
    #: anything, and one with ``{}`` nothing, so none are put in. (Seen at llama.cpp.)
    grammar: bool = False

    #: What it takes for embeddings; None: anything.
    embeddings: frozenset[str] | None = None
    #: Whether it has OpenAI's Responses API, and the older completions.
    responses: bool = False
    completions: bool = False
    #: What of the Responses API it lacks, in the words of ``responses_needs``: a request that needs it goes there as chat.
    responses_lack: frozenset[str] = CLIENT_SIDE
    #: Whether its responses and their events leave out fields that the official clients need (``responses_filled``).
    responses_sparse: bool = False


def models(*rules: tuple[str, str]) -> tuple[tuple[re.Pattern[str], frozenset[str]], ...]:
    """Rules for models from patterns and names of parameters."""
    return tuple((re.compile(pattern), frozenset(names.split())) for pattern, names in rules)
