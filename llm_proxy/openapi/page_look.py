"""How the page of the document looks and what its script does: both stand in it, and its policy names them by their hashes. Pure.

Beside a console it has that one's style sheet as well; without one it fetches nothing and runs nothing.
"""

from __future__ import annotations

import base64
import hashlib

#: Of both.
_LAYOUT = """
body.docs main { margin: 0 auto; max-width: 1000px; overflow-wrap: anywhere; }
section { gap: 8px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: 4px 12px 4px 0; font-weight: 400; }
details { border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
details > * + * { margin-top: 8px; }
summary b { display: inline-block; min-width: 56px; font-size: 12px; }
"""
#: Where there is no other style sheet.
STYLE = (
    """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 22%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; }
p { margin: .4rem 0; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 4px; padding: .6rem; }
details { margin: .4rem 0; }
.bar { display: none; }
"""
    + _LAYOUT
)
STYLE_BESIDE = _LAYOUT + "details { background: var(--panel); }\nsummary { color: var(--text); }\n"
#: The address by which the page was reached, a filter, and links to what is folded, which open it.
SCRIPT = """
for (const one of document.querySelectorAll(".address")) one.textContent = new URL(".", location.href).href.replace(/\\/$/, "");

const field = document.getElementById("filter");
const sections = [...document.querySelectorAll("section")].map((section) => [section, [...section.querySelectorAll("details")].map((one) => [one, one.textContent.toLowerCase()])]);
field.hidden = false;
field.oninput = () => {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const [section, all] of sections) {
    for (const [one, text] of all) one.hidden = !words.every((word) => text.includes(word));
    section.hidden = all.length > 0 && all.every(([one]) => one.hidden);
  }
};
onhashchange = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


_CLOSED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ALONE = f"default-src 'none'; style-src {_hash(STYLE)}; {_CLOSED}"
BESIDE = (
    f"default-src 'none'; style-src 'self' {_hash(STYLE_BESIDE)}; script-src 'self' {_hash(SCRIPT)}; "
    f"img-src 'self'; {_CLOSED}"
)
