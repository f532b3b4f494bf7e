"""For the tests of those who use this package: a sandbox in process, a scripted wire, a fake clock."""

from .clock import FakeClock
from .client import sandbox_client, sandbox_key, sandbox_login
from .transport import ScriptedTransport, reply

__all__ = ["FakeClock", "ScriptedTransport", "reply", "sandbox_client", "sandbox_key", "sandbox_login"]
