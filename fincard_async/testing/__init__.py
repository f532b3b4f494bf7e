"""For the tests of those who use this package: a sandbox, its faults, a scripted wire, a clock."""

from fincard_async.sandbox.fault_files import load_faults
from fincard_async.sandbox.fault_plans import FaultPlan, Injection, RandomFaults, ScriptedFaults
from fincard_async.sandbox.faults import FAULTS, Fault, fault
from fincard_async.sandbox.motion import Motion, Moving

from .client import sandbox_client, sandbox_key, sandbox_login
from .clock import FakeClock
from .transport import ScriptedTransport, reply
from .webhooks import deliver_to, platform_key, sign_webhook

__all__ = [
    "FAULTS",
    "FakeClock",
    "Fault",
    "FaultPlan",
    "Injection",
    "Motion",
    "Moving",
    "RandomFaults",
    "ScriptedFaults",
    "ScriptedTransport",
    "deliver_to",
    "fault",
    "load_faults",
    "platform_key",
    "reply",
    "sandbox_client",
    "sandbox_key",
    "sandbox_login",
    "sign_webhook",
]
