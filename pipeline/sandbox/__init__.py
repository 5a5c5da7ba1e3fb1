"""A stand-in for Apiframe's v1 API, served over real HTTP: what the product is proved against.

It is a stranger to the rest of the package and shares no code with it. It keeps its own books: how
often each prompt was taken, and so paid, is counted here and nowhere else.

    with running(key="secret", task_seconds=1) as sandbox:
        ...                       # the API is at sandbox.url
        sandbox.set(lost="next 1 rst")
        sandbox.state()["tasks"]  # {"a fox": 1}

`settings.Settings` names every switch; `python -m pipeline.sandbox --help` prints them.
"""

from pipeline.sandbox.app import create_app
from pipeline.sandbox.server import Sandbox, run, running
from pipeline.sandbox.settings import SandboxSettings, SettingsError

__all__ = ["Sandbox", "SandboxSettings", "SettingsError", "create_app", "run", "running"]
