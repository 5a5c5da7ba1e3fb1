"""A stand-in for Apiframe's API, served over real HTTP: the tests and the demo use it.

It shares no code with the rest of the package. It keeps its own counts: how often each prompt was
accepted, and so paid, is counted here and nowhere else.

    with running(key="secret", task_seconds=1) as sandbox:
        ...                       # the API is at sandbox.url
        sandbox.set(lost="next 1 rst")
        sandbox.state()["tasks"]  # {"a fox": 1}

`settings.SandboxSettings` names every switch; `python -m pipeline.sandbox --help` prints them.
"""

from pipeline.sandbox.app import create_app
from pipeline.sandbox.server import Sandbox, run, running
from pipeline.sandbox.settings import SandboxSettings, SettingsError

__all__ = ["Sandbox", "SandboxSettings", "SettingsError", "create_app", "run", "running"]
