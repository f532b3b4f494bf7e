"""Keys, opened values and PINs: the parts of this package that are about secrets.

``PrivateKey`` and ``RemoteKey`` open what the platform sealed for the merchant; ``PublicKey`` is
the platform's, for webhooks. See ``docs/secrets.md``.
"""

from ._crypto.files import KeyFileWarning
from ._crypto.keys import Padding, PrivateKey, PublicKey, WeakKeyWarning
from ._crypto.opening import CardKey, CardSecrets
from ._crypto.pins import generate_pin
from ._crypto.remote import RemoteKey
from ._sansio.secret import Opened, Pan

__all__ = [
    "CardKey",
    "CardSecrets",
    "KeyFileWarning",
    "Opened",
    "Padding",
    "Pan",
    "PrivateKey",
    "PublicKey",
    "RemoteKey",
    "WeakKeyWarning",
    "generate_pin",
]
