"""The programs and how each is told where the gateway is: by its documented settings, unmodified."""

from __future__ import annotations

from tests.apps.places import App
from tests.apps.programs import agents, askers, libraries, more_agents, python_agents

APPS: dict[str, App] = {
    app.id: app
    for app in (*agents.APPS, *more_agents.APPS, *python_agents.APPS, *askers.APPS, *libraries.APPS)
}
