"""Secrets that look like references in the form of another tool, which would be sent as they stand.

Laws: pure; a hint, never a refusal, since any text may be a key; the text itself is never repeated. Ours are
``${NAME}`` and ``${file:/path}``, which are filled before anybody looks here.
"""

from __future__ import annotations

import re

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_FORMS = re.compile(
    "|".join(
        (
            rf"os\.environ[/.\[(].*|(?:os\.)?getenv\(.*|process\.env\.{_NAME}",  # LiteLLM, Python, Node
            rf"(?:env|environment|var)[:./ ]\s*{_NAME}|!env\s.*|env\(.*\)|\$env:{_NAME}",  # Bifrost, YAML tags, PowerShell
            rf"\${_NAME}|\$\({_NAME}\)|%{_NAME}%",  # shells, make and Kubernetes, Windows
            r"\{\{.*\}\}|<[^<>]*>|\{[A-Za-z_][A-Za-z0-9_.]*\}|\[[A-Za-z_ ]+\]",  # templates, and blanks to fill in
            r"(?:file|secret|secrets|vault|op|aws-sm|gcp-sm|keyvault|sops|ref|ssm|doppler|infisical):.+",
            r"@?/(?:run|var/run|etc|mnt)/.+",  # the path of a secret instead of its content
            r"(?:your|my|insert|replace|change)[-_ ]?(?:me|api|key|token|secret|openai|anthropic).*",
            r"sk-(?:\.{3}|…|x+|\*+).*|x{4,}|\*{3,}|changeme|todo",
        )
    ),
    re.IGNORECASE,
)
#: Longer texts are no references; and nothing here takes long.
_LONGEST = 300

HINT = "looks like a reference or a blank of another tool, and is sent as it stands: write ${NAME} or ${file:/path}"


def looks_foreign(secret: str) -> bool:
    """Whether ``secret``, perhaps behind ``Bearer``, is a reference or a blank rather than a key."""
    if len(secret) > _LONGEST:
        return False
    scheme, _, rest = secret.strip().partition(" ")
    bare = rest if scheme.lower() in ("bearer", "token", "basic") else secret
    return _FORMS.fullmatch(bare.strip()) is not None
