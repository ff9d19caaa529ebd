"""A tiny, deterministic, llama-architecture model as a GGUF file: what the real llama.cpp server runs in the tests.

Nothing is trained and nothing is downloaded: the weights are worked out by hand (CC0). The network is a table
"current token -> next token" (token_embd against output); its one live attention head lets the last token of the
prompt see a marker that the chat template wrote, and the marker picks where the table is entered.

    last user message, or request           the answer
    anything                                w0000 w0001 ... w0511, then the end
    "loop"                                  l0000 ... l0063 l0000 ... without end
    "utf8"                                  letters of two, three and four bytes, every byte a token of its own
    "empty"                                 the end at once
    with "tools", last message not a tool's get_weather({"city": "Paris"})
    chat_template_kwargs enable_thinking    sixteen reasoning words r0000 ..., then the words

Numbered words show a lost, doubled, reordered or merged chunk at a glance. Needs numpy and gguf.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.tiny_template import CHAT_TEMPLATE

UTF8_TEXT = "é漢字😀"
TOOL_PARTS = ('{"name":', ' "get_weather",', ' "arguments":', ' {"city":', ' "Paris"', "}}")
WORDS, THOUGHTS, LOOP = 512, 16, 64
MARKERS = ("call", "utf8", "loop", "empty")

WIDTH, HEADS, FEED_FORWARD = 64, 2, 64
HEAD_WIDTH = WIDTH // HEADS
RESERVED = 16  # dimensions kept for the special tokens, an axis each
SLOWEST = 30  # GGUF rotates neighbours: (30, 31) is the pair that RoPE turns least

Array = NDArray[np.float64]


class Kind(IntEnum):
    """llama.cpp's token types."""

    NORMAL, UNKNOWN, CONTROL, USER, BYTE = 1, 2, 3, 4, 6


@dataclass(slots=True)
class Vocabulary:
    """Tokens by number, and which one follows which."""

    texts: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    follows: dict[int, int] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)

    def add(self, text: str, kind: Kind = Kind.NORMAL) -> int:
        """A new token; its number."""
        self.ids[text] = len(self.texts)
        self.texts.append(text)
        self.kinds.append(kind)
        return self.ids[text]

    def chain(self, *tokens: int) -> None:
        """Each token is followed by the next."""
        for token, following in pairwise(tokens):
            assert self.follows.setdefault(token, following) == following, "two successors of one token"


@dataclass(frozen=True, slots=True)
class Design:
    """The vocabulary, where each marker enters the table, and the matrices."""

    vocabulary: Vocabulary
    embedding: Array
    output: Array
    attention: dict[str, Array]


def write_model(path: Path, *, layers: int = 1, context: int = 4096) -> None:
    """Write the model. Layers after the first do nothing but take time: 400 of them give some 160 tokens a second."""
    import gguf  # only those who run the real server need it

    design = make_design()
    vocabulary = design.vocabulary
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-chain")
    writer.add_license("CC0-1.0")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary.texts))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text.encode() for text in vocabulary.texts])
    scores = [-float(i) if kind == Kind.NORMAL else 0.0 for i, kind in enumerate(vocabulary.kinds)]
    writer.add_token_scores(scores)
    writer.add_token_types([int(kind) for kind in vocabulary.kinds])
    writer.add_unk_token_id(vocabulary.ids["<unk>"])
    writer.add_bos_token_id(vocabulary.ids["<s>"])
    writer.add_eos_token_id(vocabulary.ids["<|end|>"])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    _add_tensors(writer, design, layers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tensors(writer: Any, design: Design, layers: int) -> None:
    half, ones = np.float16, np.ones(WIDTH, np.float32)
    writer.add_tensor("token_embd.weight", design.embedding.astype(half))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", design.output.astype(half))
    for layer in range(layers):
        block = f"blk.{layer}."
        writer.add_tensor(block + "attn_norm.weight", ones)
        for name, matrix in design.attention.items():
            writer.add_tensor(f"{block}{name}.weight", (matrix * (layer == 0)).astype(half))
        writer.add_tensor(block + "ffn_norm.weight", ones)
        for name, shape in (
            ("ffn_gate", (FEED_FORWARD, WIDTH)),
            ("ffn_up", (FEED_FORWARD, WIDTH)),
            ("ffn_down", (WIDTH, FEED_FORWARD)),
        ):
            writer.add_tensor(f"{block}{name}.weight", np.zeros(shape, half))


def make_vocabulary() -> tuple[Vocabulary, dict[str, int]]:
    """The tokens with their successors, and the token at which each marker enters."""
    v = Vocabulary()
    v.add("<unk>", Kind.UNKNOWN)
    v.add("<s>", Kind.CONTROL)
    end = v.add("<|end|>", Kind.CONTROL)
    byte = [v.add(f"<0x{b:02X}>", Kind.BYTE) for b in range(256)]
    for name in ("system", "developer", "user", "assistant", "tool", "tools", *MARKERS):
        v.add(f"<|{name}|>", Kind.CONTROL)
    thought, unthought = v.add("<think>", Kind.USER), v.add("</think>", Kind.USER)
    call, called = v.add("<tool_call>", Kind.USER), v.add("</tool_call>", Kind.USER)
    words = [v.add(f"\u2581w{i:04d}") for i in range(WORDS)]
    thoughts = [v.add(f"\u2581r{i:04d}") for i in range(THOUGHTS)]
    loop = [v.add(f"\u2581l{i:04d}") for i in range(LOOP)]
    parts = [v.add(part, Kind.USER) for part in TOOL_PARTS]  # user-defined: their blanks are literal
    letters = [byte[b] for b in UTF8_TEXT.encode()]
    assert len(set(letters)) == len(letters), "a byte occurs twice: the chain would loop"

    v.chain(v.ids["<|assistant|>"], *words, end)
    v.chain(thought, *thoughts, unthought, words[0])
    v.chain(call, *parts, called, end)
    v.chain(*letters, end)
    v.chain(*loop, loop[0])
    return v, {"call": call, "utf8": letters[0], "loop": loop[0], "empty": end}


def make_design() -> Design:
    """Work out the weights, and check every transition before anything is written."""
    vocabulary, entries = make_vocabulary()
    first_word, assistant = vocabulary.ids["\u2581w0000"], vocabulary.ids["<|assistant|>"]
    axes = np.eye(WIDTH)

    # Embeddings: a special token has an axis of its own, the rest a random direction.
    random = np.random.default_rng(7)
    embedding = np.zeros((len(vocabulary.texts), WIDTH))
    embedding[:, RESERVED:] = _unit(random.standard_normal((len(vocabulary.texts), WIDTH - RESERVED)))
    common = np.zeros(WIDTH)
    common[RESERVED:] = _unit(random.standard_normal(WIDTH - RESERVED))
    for token in range(len(vocabulary.texts)):
        if token not in vocabulary.follows:  # no successor given: on to w0000
            embedding[token] = common
    embedding[assistant] = axes[0]
    axis = {marker: 1 + 2 * i for i, marker in enumerate(MARKERS)}
    state = {marker: axes[2 + 2 * i] for i, marker in enumerate(MARKERS)}  # what <|assistant|> is turned into
    for marker in MARKERS:
        embedding[vocabulary.ids[f"<|{marker}|>"]] = axes[axis[marker]]

    output = np.zeros_like(embedding)
    output[first_word] += common
    for token, following in vocabulary.follows.items():
        output[following] += embedding[token]
    for marker in MARKERS:
        output[entries[marker]] += state[marker]
    output *= 6.0

    # The head: <|assistant|> looks for a marker and takes on its state.
    sharp, norm = 24.0, np.sqrt(WIDTH)  # norm undoes RMSNorm's scale
    query, key, value, back = (np.zeros((WIDTH, WIDTH)) for _ in range(4))
    query[SLOWEST, 0] = sharp / norm
    for i, marker in enumerate(MARKERS):
        key[SLOWEST, axis[marker]] = sharp / norm
        value[i, axis[marker]] = 1 / norm
        back[:, i] = state[marker] - embedding[assistant]

    _check(vocabulary, embedding @ output.T, first_word)
    for marker in MARKERS:
        assert np.argmax(state[marker] @ output.T) == entries[marker], marker
    attention = {"attn_q": query, "attn_k": key, "attn_v": value, "attn_output": back}
    return Design(vocabulary, embedding, output, attention)


def _check(vocabulary: Vocabulary, logits: Array, otherwise: int) -> None:
    """Every token but a marker, which is never the last one, is followed by what the table says."""
    best = np.argmax(logits, axis=1)
    for token, text in enumerate(vocabulary.texts):
        if text not in {f"<|{marker}|>" for marker in MARKERS}:
            assert best[token] == vocabulary.follows.get(token, otherwise), text


def _unit(vectors: Array) -> Array:
    scaled: Array = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled
