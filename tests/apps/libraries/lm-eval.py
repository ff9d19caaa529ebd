"""lm-eval: a task of one question of its own, put to ``local-chat-completions``, whose answer is scored by it."""

import json
import os
from pathlib import Path

import lm_eval

question = Path("question.json").resolve()
question.write_text(json.dumps([{"question": os.environ["TASK"], "answer": "x"}]))
task = {
    "task": "word",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": str(question)}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 200},
    "metric_list": [{"metric": "exact_match"}],
}
found = lm_eval.simple_evaluate(
    model="local-chat-completions",
    model_args={
        "model": os.environ["MODEL"],
        "base_url": f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
    },
    tasks=[task],
    apply_chat_template=True,
)
assert found["results"]["word"]["exact_match,none"] == 0.0, found["results"]
print(found["samples"]["word"][0]["filtered_resps"][0])
