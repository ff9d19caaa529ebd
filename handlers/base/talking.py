"""The usual attempt, in the shortest way: a talk, whose answer comes whole or as a stream.

Laws: it says, counts and leaves behind what ``AnsweringHandler.attempt`` would, step for step; what is not usual (a large body,
a stream that another upstream may go on with, a trace that is recorded, an upstream that such a call does not do for) goes the long way from the beginning, and an answer
that turns out not to be is read by what reads it there. A test holds both equal.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from handlers.base.body import OFF_LOOP
from llm_proxy.errors import ClientGone
from llm_proxy.faces.face import OpenAIFace
from llm_proxy.relay.passed_on import expressed
from llm_proxy.relay.reading import is_event_stream, read_answer
from llm_proxy.relay.relay import LITTLE, Relay
from llm_proxy.relay.tally import Tally
from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.schema import ChatRequest

if TYPE_CHECKING:
    from handlers.base.answering import AnsweringHandler


async def attempt_talk(handler: AnsweringHandler, request: ChatRequest, deployment: Deployment) -> bool:
    """Ask ``deployment``, and finish with its answer; false if it has to be done the long way, and nothing was. Raises
    ``GatewayError``."""
    streams, tries = request.stream is True, handler.tries
    if streams and tries is not None and tries.model.policy.on_break == "continue":
        return False
    adapter = handler.snapshot.adapter(deployment)
    call = adapter.talk_call(request, deployment)
    if call is None:
        return False
    handler.face = face = OpenAIFace(False, request.model)
    if handler.grant is not None:
        await handler.charge(deployment, request.sent)
    handler.say_who(deployment, (), None)
    handler.facts["stream"] = streams
    handler.progress = tally = Tally()
    running = handler.gateway.running
    exchange = handler.open_exchange(call, deployment)
    del call  # it holds the body
    if tries is not None:
        tries.opened(exchange)
    if deployment.on_client_gone == "drain":
        handler.drain_for(deployment.drain_seconds)
    tally.own_seconds = perf_counter() - handler.body_at
    running.add(handler)
    try:
        try:
            if handler.gone:
                raise ClientGone("the client left before its request was sent on")
            alive, worked_out = handler.gateway.keep_alive, handler.worked_out
            if streams:
                first = None if tries is None else tries.token
                relay = Relay(exchange, adapter, request, deployment, face, tally, alive, worked_out, first)
                await relay.stream(handler)
            else:
                exchange.begin()
                head, body = await read_answer(exchange, adapter, deployment.timeouts)
                if len(body) < LITTLE and not is_event_stream(head):
                    began = perf_counter()
                    response = adapter.chat_response(body, request)
                    tally.whole(response.data, began)
                else:
                    relay = Relay(exchange, adapter, request, deployment, face, tally, alive, worked_out)
                    response = await relay.collected(head, body)
            if tries is not None:
                tries.answered(tally.usage)
            if handler._left_at is not None:
                handler.facts["drained"] = True
        finally:
            exchange.leave()
            handler.count(tally, exchange, deployment)
        if streams:
            return True
        if exchange.received < OFF_LOOP:
            said = expressed(face.whole, response)
        else:
            said = await handler.offloaded(exchange.received, expressed, face.whole, response, paid=True)
        if not handler.finish_small(said):
            await handler.send_whole(said)
    finally:
        running.discard(handler)
    return True
