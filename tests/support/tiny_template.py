"""The chat template of the tiny model, in the Jinja that llama.cpp renders."""

CHAT_TEMPLATE = """\
{%- if tools %}<|tools|>{{ tools | tojson }}<|end|>{% endif -%}
{%- for m in messages -%}
{%- set ns = namespace(text='') -%}
{%- if m.content is string %}{% set ns.text = m.content %}
{%- elif m.content %}{% for p in m.content %}\
{% if p.type == 'text' %}{% set ns.text = ns.text + p.text %}{% endif %}{% endfor %}
{%- endif -%}
<|{{ m.role }}|>
{%- if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif -%}
{{- ns.text -}}
{%- if m.tool_calls %}{% for t in m.tool_calls %}\
<tool_call>{"name": "{{ t.function.name }}", "arguments": {{ t.function.arguments | tojson }}}</tool_call>\
{% endfor %}{% endif -%}
{%- if loop.last and m.role == 'user' -%}
{%- if ns.text in ['utf8', 'loop', 'empty'] %}<|{{ ns.text }}|>{% elif tools %}<|call|>{% endif -%}
{%- endif -%}
<|end|>
{%- endfor -%}
{%- if add_generation_prompt %}<|assistant|>\
{% if enable_thinking is defined and enable_thinking %}<think>{% endif %}{% endif -%}
"""
