"""Agents of the vendors: Claude Code, Codex, Gemini CLI, Qwen Code, Copilot CLI."""

from __future__ import annotations

from dataclasses import replace

from tests.apps.places import KEY, App, Place, Start


def claude(place: Place) -> Start:
    """Its settings.json, as our command writes it: a base URL and a token; a small model of its own is named too."""
    command, arguments = place.server
    servers = {"pictures": {"command": command, "args": arguments}} if place.mcp else {}
    tools = "Write,Bash,mcp__pictures__draw_picture"
    return Start(
        (
            *(place.binary("claude"), "-p", place.task, "--allowedTools", tools),
            *("--strict-mcp-config", "--mcp-config", str(place.home / "mcp.json")),
        ),
        {
            "CLAUDE_CONFIG_DIR": str(place.home / ".claude"),
            "DISABLE_AUTOUPDATER": "1",
            "MCP_TIMEOUT": "30000",
        },
        {"mcp.json": {"mcpServers": servers}},
        client="claude-code",
    )


def claude_budget(place: Place) -> Start:
    """The same with a budget for thinking: what it thought must come back to the model as it was signed."""
    start = claude(place)
    return replace(start, env={**start.env, "MAX_THINKING_TOKENS": "4000"})


def claude_ollama(place: Place) -> Start:
    """https://docs.ollama.com/integrations/claude-code: the base URL is an Ollama's port."""
    return claude(replace(place, url=place.ollama))


def codex(place: Place) -> Start:
    """Codex' config.toml, into which our command writes a provider whose wire API is Responses."""
    config = "# of the tests\ncheck_for_update_on_startup = false\n[analytics]\nenabled = false\n"
    return replace(_codex(place, config, ()), client="codex")


def codex_oss(place: Place) -> Start:
    """``--oss``: an Ollama at ``CODEX_OSS_BASE_URL``."""
    start = _codex(
        place,
        "check_for_update_on_startup = false\n",
        ("--oss", "--local-provider", "ollama", "-m", place.model),
    )
    return Start(start.command, {**start.env, "CODEX_OSS_BASE_URL": f"{place.ollama}/v1"}, start.files)


def _codex(place: Place, config: str, more: tuple[str, ...]) -> Start:
    command, arguments = place.server
    if place.mcp:
        config += f'[mcp_servers.pictures]\ncommand = "{command}"\nargs = {arguments}\n'
    return Start(
        (
            *(
                place.binary("codex"),
                "exec",
                "--skip-git-repo-check",
                "--dangerously-bypass-approvals-and-sandbox",
            ),
            *("-C", str(place.work), *more, place.task),
        ),
        {"CODEX_HOME": str(place.home / ".codex"), "LLM_PROXY_API_KEY": KEY},
        {".codex/config.toml": config},
    )


def gemini(place: Place) -> Start:
    """Gemini CLI with an API key; the base URL is a variable of its library."""
    return Start(
        (place.binary("gemini"), "--yolo", "--skip-trust", "-p", place.task),
        {"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        {".gemini/settings.json": _settings(place, {})},
        client="gemini-cli",
    )


def _settings(place: Place, security: dict[str, object]) -> dict[str, object]:
    command, arguments = place.server
    servers = {"pictures": {"command": command, "args": arguments, "trust": True}} if place.mcp else {}
    general = {"disableAutoUpdate": True, "enableAutoUpdate": False, "disableUpdateNag": True}
    quiet = {"privacy": {"usageStatisticsEnabled": False}, "telemetry": {"enabled": False}}
    sees = {
        "model": {"generationConfig": {"modalities": {"image": True}}}
    }  # Qwen Code's; the other ignores it
    return {**sees, "security": security, "general": general, **quiet, "mcpServers": servers}


#: Qwen Code asks a proxy for loopback too, whatever NO_PROXY says.
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def qwen_openai(place: Place) -> Start:
    """Qwen Code's ``openai``, as our command writes it into its settings."""
    return Start(
        (place.binary("qwen"), "--yolo", "-p", place.task),
        dict.fromkeys(_PROXIES, ""),
        {".qwen/settings.json": _settings(place, {})},
        client="qwen-code",
    )


def qwen_anthropic(place: Place) -> Start:
    """Qwen Code's ``anthropic``."""
    env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": place.url, "ANTHROPIC_MODEL": place.model}
    return _qwen(place, "anthropic", env)


def _qwen(place: Place, kind: str, env: dict[str, str]) -> Start:
    return Start(
        (place.binary("qwen"), "-m", place.model, "--yolo", "--auth-type", kind, "-p", place.task),
        {**env, **dict.fromkeys(_PROXIES, "")},
        {".qwen/settings.json": _settings(place, {"auth": {"selectedType": kind}})},
    )


def copilot_openai(place: Place) -> Start:
    """Copilot CLI with a provider of one's own, by the variables that our command prints."""
    return replace(_copilot(place, {}), client="copilot-cli")


def copilot_anthropic(place: Place) -> Start:
    """The same by Anthropic's dialect."""
    env = {"COPILOT_PROVIDER_API_KEY": KEY, "COPILOT_MODEL": place.model, "COPILOT_OFFLINE": "true"}
    address = {"COPILOT_PROVIDER_BASE_URL": place.url, "COPILOT_PROVIDER_TYPE": "anthropic"}
    return _copilot(place, env | address)


def _copilot(place: Place, env: dict[str, str]) -> Start:
    command, arguments = place.server
    server = {"type": "local", "command": command, "args": arguments, "tools": ["*"]}
    servers = {"pictures": server} if place.mcp else {}
    return Start(
        (
            *(
                place.binary("copilot"),
                "-p",
                place.task,
                "--allow-all-tools",
                "--allow-all-paths",
                "--no-color",
            ),
            *("--disable-builtin-mcps", "--additional-mcp-config", f"@{place.home}/mcp.json"),
        ),
        {
            **env,
            "COPILOT_AUTO_UPDATE": "false",
            "COPILOT_HOME": str(place.home / ".copilot"),
        },
        {"mcp.json": {"mcpServers": servers}},
    )


_MESSAGES, _CHAT, _RESPONSES = "Anthropic", "chat", "Responses"
#: For CI: the kinds whose manners differ most.
_QUICK = ("openai", "gpt5", "strict", "vllm", "plain-ollama", "anthropic", "gemini")
_PICTURES = ("openai", "strict", "ollama", "anthropic", "gemini")
_FEW = ("openai", "anthropic", "gemini")
APPS = (
    App(
        "Claude Code",
        "claude",
        "",
        _MESSAGES,
        "file",
        claude,
        mcp="picture",
        quick=_QUICK,
        quick_mcp=_PICTURES,
    ),
    App(
        "Claude Code",
        "claude",
        "with a thinking budget",
        _MESSAGES,
        "file",
        claude_budget,
        model="claude-sonnet-4-5",
    ),
    App("Claude Code", "claude", "at the Ollama port", _MESSAGES, "file", claude_ollama),
    App("Codex", "codex", "", _RESPONSES, "file", codex, mcp="picture", quick=_QUICK, quick_mcp=_PICTURES),
    App("Codex", "codex", "a model that it knows", _RESPONSES, "file", codex, mcp="picture", model="gpt-5.5"),
    App("Codex", "codex", "--oss", "Ollama's port", "file", codex_oss),
    App("Gemini CLI", "gemini", "", "Gemini", "file", gemini, mcp="picture", quick=_FEW, quick_mcp=_FEW[:1]),
    App("Qwen Code", "qwen", "openai", _CHAT, "file", qwen_openai, mcp="picture"),
    App("Qwen Code", "qwen", "anthropic", _MESSAGES, "file", qwen_anthropic, mcp="picture"),
    App("Copilot CLI", "copilot", "openai", _CHAT, "file", copilot_openai, mcp="words"),
    App("Copilot CLI", "copilot", "anthropic", _MESSAGES, "file", copilot_anthropic, mcp="words"),
)
