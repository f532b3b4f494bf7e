"""For the tests of those who use this package: a sandbox, its faults, a scripted wire, a clock."""

from fincard_async.sandbox.fault_files import load_faults
from fincard_async.sandbox.fault_plans import FaultPlan, Injection, RandomFaults, ScriptedFaults
from fincard_async.sandbox.faults import FAULTS, Fault, fault
from fincard_async.sandbox.motion import Motion, Moving

from .client import sandbox_client, sandbox_key, sandbox_login
from .clock import FakeClock
from .transport import ScriptedTransport, reply

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
    "fault",
    "load_faults",
    "reply",
    "sandbox_client",
    "sandbox_key",
    "sandbox_login",
]
