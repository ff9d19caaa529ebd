"""How Hypothesis runs here: on slow machines too, so neither a deadline nor the speed of generation is a failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
