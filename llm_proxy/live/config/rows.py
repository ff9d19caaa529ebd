"""From the fields of providers and models to deployments: implied types and hosts, defaults, limits.

Laws: a model's field wins over ``defaults``, that over what the provider's name implies. A field with a problem is
left out and nothing is concluded from its absence, so that one mistake makes one finding. A model whose text is that of
the last load is not built again, so that an edit costs what it changes and not what there is. Nothing here reads a
file or the environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from llm_proxy.live.config import base_urls, checks
from llm_proxy.live.config.fields import Row, field_findings
from llm_proxy.live.config.foreign_references import HINT, looks_foreign
from llm_proxy.live.config.implied import Kind, credentials, kind_of, vendor_of
from llm_proxy.live.config.merge import Part, merge
from llm_proxy.live.config.placeholders import Filled
from llm_proxy.live.config.presets import PRESETS
from llm_proxy.live.config.report import ApiType, Built, Report, did_you_mean, one_of
from llm_proxy.wire.calls import NOTHING, Deployment, PemFile, Timeouts
from llm_proxy.wire.json_scan import Path
from llm_proxy.wire.policies import DeploymentLimits

DEFAULTS = "defaults"
#: What calls say of the trace that they belong to.
_TRACED = frozenset({"traceparent", "tracestate", "x-request-id"})
#: A model with one of these names is far less likely than somebody who forgot ``defaults``.
_OBJECT_FIELDS = frozenset({"options", "headers", "timeouts"})


def build_rows(
    document: Mapping[str, Any],
    api_types: Mapping[str, ApiType],
    report: Report,
    max_total: float | None,
    last: Mapping[str, Built],
    files: Mapping[str, PemFile] = NOTHING,
) -> tuple[tuple[Deployment, ...], Mapping[str, Deployment | None], Mapping[str, Built]]:
    """All deployments of ``document``; for each provider the bare row that raw passthrough calls use (None if a model
    must be named); and what the next load may take over, as this one does from ``last``. ``files`` are the sound ones
    that the document names. What is wrong goes to ``report``, and then the result does not count."""
    rows: list[Deployment] = []
    providers: dict[str, Deployment | None] = {}
    built: dict[str, Built] = {}
    for name, value in document.items():
        provider = _Provider(name, kind_of(name, api_types), report, max_total, files)
        found, providers[name], built[name] = provider.build(value, last.get(name))
        rows += found
    if not document:
        report.problem((), "no provider is configured")
    return tuple(rows), MappingProxyType(providers), MappingProxyType(built)


def _text(value: Any) -> str | None:
    """``value`` as JSON: equal texts, equal values of equal types, which ``==`` does not promise (1, 1.0 and true). None
    for what cannot be written."""
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):  # an integer of many thousand digits, or a deep nest
        return None


class _Provider:
    def __init__(
        self, name: str, kind: Kind, report: Report, max_total: float | None, files: Mapping[str, PemFile]
    ) -> None:
        self.name = name
        self.kind = kind
        self.report = report
        self.max_total = max_total
        self.files = files
        #: The type of a model that names none.
        self.usual_type = kind.api_type

    def build(self, value: Any, last: Built | None) -> tuple[list[Deployment], Deployment | None, Built]:
        self._check_name((self.name,), checks.provider_name)
        if not isinstance(value, dict):
            self.report.problem(
                (self.name,), 'must be an object that maps "defaults" and model names to their fields'
            )
            return [], None, Built()
        defaults = Part((self.name,), {})
        if DEFAULTS in value:
            defaults = self._part((self.name, DEFAULTS), value[DEFAULTS])
            self.usual_type = defaults.fields.get("api_type") or self.usual_type
        texts = {name: _text(fields) for name, fields in value.items() if name != DEFAULTS}
        base = (self.kind, self.max_total, _text(value.get(DEFAULTS)), tuple(self.files.items()))
        known = last.rows if last is not None and last.base == base else {}
        rows = {
            name: row for name, text in texts.items() if text is not None and (row := known.get((name, text)))
        }
        bare = merge(defaults, Part((self.name,), {}))
        new = [self._model(name, value[name]) for name in texts if name not in rows]
        merged = [merge(defaults, part) for part in new if part is not None]
        self._report_missing(merged if texts else [bare], len(rows))
        for part in filter(None, map(self._placed, merged)):
            name = str(part.path[-1])
            rows[name] = self._deployment(part, name)
        found = [rows[name] for name in texts if name in rows]
        built = Built(base, self._worth_keeping(rows, texts))
        if DEFAULTS in value or not texts:
            placed = self._placed(bare)
            if placed is not None:
                return found, self._deployment(placed, ""), built
        return found, self._common(found), built

    def _worth_keeping(
        self, rows: Mapping[str, Deployment], texts: Mapping[str, str | None]
    ) -> Mapping[tuple[str, str], Deployment]:
        """The rows by name and text. One with a warning is built at each load, which says it again."""
        warned = {path[1] for path in self.report.warnings if path[0] == self.name and len(path) > 1}
        return {
            (name, text): row
            for name, row in rows.items()
            if name not in warned and (text := texts[name]) is not None
        }

    def _check_name(self, path: Path, check: Callable[[str], str]) -> None:
        try:
            check(str(path[-1]))
        except ValueError as error:
            self.report.problem(path, f"this name {error}", at_key=True)

    def _model(self, name: str, value: Any) -> Part | None:
        path = (self.name, name)
        if name in _OBJECT_FIELDS or (name in Row.model_fields and not isinstance(value, dict)):
            self.report.problem(path, 'is a field, not a model: put it into "defaults"', at_key=True)
            return None
        self._check_name(path, checks.name)
        return self._part(path, value)

    def _part(self, path: Path, value: Any) -> Part:
        """Validate one object and keep what is sound of it."""
        if not isinstance(value, dict):
            self.report.problem(path, "must be an object of fields")
            return Part(path, {}, frozenset(Row.model_fields))
        broken = set()
        for below, message, at_key in field_findings(value):
            self.report.problem((*path, *below), message, at_key=at_key)
            broken.add(str(below[0]))
        known = self.kind.api_types
        api_type = value.get("api_type")
        if api_type is not None and "api_type" not in broken and api_type not in known:
            message = f"must be one of {one_of(known)}{did_you_mean(api_type, known)}"
            self.report.problem((*path, "api_type"), message)
            broken.add("api_type")
        vendors = {name for kind in known.values() for name in kind.vendors}
        vendor = value.get("vendor")
        if vendor is not None and "vendor" not in broken and vendor not in vendors:
            message = f"must be one of {one_of(vendors)}{did_you_mean(vendor, vendors)}"
            self.report.problem((*path, "vendor"), message)
            broken.add("vendor")
        fields = {key: field for key, field in value.items() if key not in broken}
        self._warn_of_references(path, fields)
        total = (fields.get("timeouts") or {}).get("total")
        if total is not None and self.max_total is not None and total > self.max_total:
            message = f"is cut to LLM_PROXY_API_TIMEOUT ({self.max_total:g} s)"
            self.report.warn((*path, "timeouts", "total"), message)
        host, kind = fields.get("api_host"), fields.get("api_type") or self.usual_type
        if host is not None and kind is not None and (doubt := base_urls.doubt(kind, checks.api_host(host))):
            self.report.warn((*path, "api_host"), doubt)
        return Part(path, fields, frozenset(broken))

    def _warn_of_references(self, path: Path, fields: Mapping[str, Any]) -> None:
        """Keys that are another tool's way to say where the key is."""
        secrets: dict[Path, Any] = {("api_token",): fields.get("api_token")}
        secrets |= {("headers", name): value for name, value in (fields.get("headers") or {}).items()}
        for below, value in secrets.items():
            if isinstance(value, str) and not isinstance(value, Filled) and looks_foreign(value):
                self.report.warn((*path, *below), HINT)

    def _type_and_host(self, part: Part) -> tuple[str | None, str | None]:
        """What a row says or its provider's name implies. A row whose type contradicts that name has no usual host: an
        operator who points ``ollama`` at another dialect must not find the prompts at a vendor's."""
        kind = part.fields.get("api_type") or self.kind.api_type
        host = part.fields.get("api_host")
        if host is None and kind == self.kind.api_type:
            host = self.kind.api_host
        elif host is None and kind is not None and self.kind.api_type is None:
            host = self.kind.api_types[kind].default_host
        return kind, host

    def _placed(self, part: Part) -> Part | None:
        """``part`` with type and host, if it has both."""
        kind, host = self._type_and_host(part)
        if kind is None or host is None:
            return None
        if part.fields.get("vendor") and not self.kind.api_types[kind].vendors:
            self.report.problem(
                part.path, f'"vendor" has no meaning, because {kind} has only one', at_key=True
            )
        if part.fields.get("api") and not self.kind.api_types[kind].vendors:
            self.report.problem(part.path, f'"api" has no meaning, because {kind} has only one', at_key=True)
        self._check_pair(part)
        self._check_stars(part)
        return replace(part, fields={**part.fields, "api_type": kind, "api_host": host})

    def _check_stars(self, part: Part) -> None:
        """What the ``*`` of the upstream's name stand for is told by those of the public name."""
        stars = str(part.fields.get("model", "")).count("*")
        if stars and len(part.path) > 1 and stars != str(part.path[-1]).count("*"):
            text = "must have as many * as the public name: each stands for the same text"
            self.report.problem((*part.path, "model"), text)

    def _check_pair(self, part: Part) -> None:
        """A client certificate needs its key, and a key its certificate."""
        cert, key = part.fields.get("client_cert"), part.fields.get("client_key")
        if key and not cert and "client_cert" not in part.broken:
            self.report.problem(part.path, '"client_cert" is required beside "client_key"', at_key=True)
        found = self.files.get(cert or "")
        if found is not None and not key and "client_key" not in part.broken and not found.holds_key:
            self.report.problem(
                part.path,
                '"client_key" is required, because the file of "client_cert" holds no private key',
                at_key=True,
            )

    def _report_missing(self, parts: list[Part], sound: int) -> None:
        """Say what rows lack; once for the provider if all of them lack the same, those that are ``sound`` included."""
        lacks = {part.path: lack for part in parts if (lack := self._lack(part))}
        if not sound and len(lacks) == len(parts) and len(set(lacks.values())) == 1:
            lacks = {(self.name,): next(iter(lacks.values()))}
        for path, lack in lacks.items():
            self.report.problem(path, lack, at_key=True)

    def _lack(self, part: Part) -> str | None:
        kind, host = self._type_and_host(part)
        if "api_type" in part.broken or (kind and (host or "api_host" in part.broken)):
            return None
        if kind is None:
            meant = did_you_mean(self.name, {*self.kind.api_types, *PRESETS})
            known = one_of(self.kind.api_types)
            return f'"api_type" is required, because the provider\'s name implies none: one of {known}{meant}'
        if self.kind.api_type in (None, kind):
            return f'"api_host" is required, because {kind} has no usual one'
        return (
            f'"api_host" is required, because the name implies {self.kind.api_type} and "api_type" is {kind}'
        )

    def _deployment(self, part: Part, name: str) -> Deployment:
        row = Row.model_validate(part.fields)
        limits = row.timeouts.model_dump(exclude_none=True) if row.timeouts else {}
        if self.max_total is not None:
            limits["total"] = min(limits.get("total", self.max_total), self.max_total)
        given: dict[str, Any] = {
            "keep_alive": row.keep_alive,
            "active": row.active,
            "weight": row.weight,
            "input_size": row.input_size,
            "prompt": row.prompt,
            "on_client_gone": row.on_client_gone,
            "drain_seconds": row.drain_seconds,
            # What the operator sends by these names himself is not sent twice.
            "trace": False if _TRACED & {name.lower() for name in row.headers or ()} else row.trace,
            "capabilities": None if row.capabilities is None else tuple(row.capabilities),
            "order": row.order,
            "max_concurrent": row.max_concurrent,
            "limits": _limits(row),
            "load": row.load,
            "prefill": row.prefill,
        }
        return Deployment(
            provider=self.name,
            name=name,
            api_type=row.api_type or "",
            api_host=base_urls.base_url(row.api_type or "", row.api_host or ""),
            model=row.model or name,
            vendor=vendor_of(row, self.name, self.kind.api_types),
            api=row.api or "",
            ca=self.files.get(row.ca or ""),
            client_cert=self.files.get(row.client_cert or ""),
            client_key=self.files.get(row.client_key or ""),
            **credentials(row, self.kind),
            options=MappingProxyType(row.options) if row.options else NOTHING,
            languages=tuple(row.languages or ()),
            timeouts=Timeouts(**limits),
            **{key: value for key, value in given.items() if value is not None},
        )

    def _common(self, rows: list[Deployment]) -> Deployment | None:
        """The bare row of a provider whose ``defaults`` name no host: that of its models, if it is the same for all. A
        key is never sent to a host that it was not given for."""
        if len({(row.api_type, row.identity) for row in rows}) != 1:
            return None
        return replace(
            Deployment(self.name, "", rows[0].api_type, rows[0].api_host, ""),
            token=rows[0].token,
            headers=rows[0].headers,
            ca=rows[0].ca,
            client_cert=rows[0].client_cert,
            client_key=rows[0].client_key,
            timeouts=Timeouts(total=self.max_total),
            trace=all(row.trace for row in rows),
        )


def _limits(row: Row) -> DeploymentLimits | None:
    told = row.limits.model_dump(exclude_none=True) if row.limits else {}
    return DeploymentLimits(**told) if told else None
