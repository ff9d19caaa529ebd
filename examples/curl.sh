#!/usr/bin/env bash
# Every face of the gateway with nothing but curl. -N shows each token as it comes.
set -euo pipefail
gateway=http://127.0.0.1:8080
ask() { curl -sSN --fail-with-body -H 'Content-Type: application/json' "$@"; echo; }

echo '== its own endpoint: streamed unless "stream" is false'
ask "$gateway/api/chat" -d '{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}'

echo '== a conversation with a prompt of the library'
ask "$gateway/api/conversation_with_model" -d '{"model_name": "demo", "user_last_statement": "Good morning", "language": "en",
    "prompt": "translation", "prompt_vars": {"target_language": "Polish"}, "stream": false}'

echo '== as OpenAI'
ask "$gateway/v1/chat/completions" -d '{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}'
ask "$gateway/v1/responses" -d '{"model": "demo", "input": "Hello!"}'

echo '== as Ollama: one JSON object a line'
ask "$gateway/ollama/api/chat" -d '{"model": "demo", "messages": [{"role": "user", "content": "Hello!"}]}'

echo '== as Anthropic'
ask "$gateway/v1/messages" -d '{"model": "demo", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}'

echo '== as Google'
ask "$gateway/v1beta/models/demo:generateContent" -d '{"contents": [{"parts": [{"text": "Hello!"}]}]}'

echo '== which models there are'
ask "$gateway/api/tags"
