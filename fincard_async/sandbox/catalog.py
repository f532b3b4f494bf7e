"""The card types that a sandbox offers: every mode and category, every switch in both positions.

Source: seed, "Support Bins (Card Types)". The ids are stable: examples and tests name them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from fincard_async._generated.models.cards import (
    CardType,
    CardTypeMetadata,
    SpendingControl,
)
from fincard_async._generated.models.common import (
    CardCategory,
    CardForm,
    CardholderModel,
    CardMode,
    CardOrganization,
    CardTypeStatus,
    SpendingInterval,
)

PREPAID: Final = 111001
PREPAID_WITH_HOLDER: Final = 111002
SUBSCRIPTION_WITHOUT_DEPOSIT: Final = 111003
PLAIN: Final = 111004
PHYSICAL: Final = 111040
GIFT: Final = 111050
SHARED: Final = 111060
WITHDRAWN: Final = 111090
_B2B: Final = CardholderModel("B2B")
_B2C: Final = CardholderModel("B2C")


def _metadata(
    *,
    model: CardholderModel = _B2B,
    most_cards: int = 1000,
    limit: str | None = "5000",
    mcc: bool = True,
    no_pin: bool = False,
) -> CardTypeMetadata:
    """Rules of a card type; ``limit`` is the most that one transaction may cost."""
    controls = []
    if limit is not None:
        controls.append(
            SpendingControl(
                interval=SpendingInterval.PER_TRANSACTION,
                amount=Decimal(limit),
                support_setting=True,
            )
        )
    return CardTypeMetadata(
        card_holder_max_card_limit=most_cards,
        card_holder_model=model,
        spending_controls=controls,
        support_setting_mcc=mcc,
        support_setting_no_pin_payment_amount=no_pin,
        default_no_pin_payment_amount=Decimal(500) if no_pin else None,
        no_pin_payment_amount_min_quota=Decimal(0) if no_pin else None,
        no_pin_payment_amount_max_quota=Decimal(2000) if no_pin else None,
        support_update_card_holer_email=False,
    )


_PREPAID: Final = CardType(
    card_type_id=PREPAID,
    organization=CardOrganization.MASTERCARD,
    country="US",
    mode=CardMode.PREPAID_CARD,
    bank_card_bin="531993",
    type=CardForm.VIRTUAL,
    category=CardCategory.PURCHASE,
    card_name="Everyday virtual",
    card_desc="Online purchases in US dollars, no cardholder needed.",
    card_price=Decimal("1"),
    card_price_currency="USD",
    support=["Amazon", "Google", "OpenAI"],
    risk=["Crypto exchanges"],
    need_card_holder=False,
    support_holder_regin=[],
    support_holder_area_code=[],
    need_deposit_for_active_card=True,
    deposit_amount_min_quota_for_active_card=Decimal("10"),
    deposit_amount_max_quota_for_active_card=Decimal("5000"),
    fiat_currency="USD",
    balance_retention_quota=Decimal("0.5"),
    status=CardTypeStatus.ONLINE,
    recharge_currency="USD",
    recharge_min_quota=Decimal("5"),
    recharge_max_quota=Decimal("10000"),
    recharge_fee_rate=Decimal("1.2"),
    recharge_fixed_fee=Decimal("0"),
    recharge_digital=2,
    enable_active_card=True,
    enable_deposit=True,
    enable_freeze=True,
    enable_un_freeze=True,
    metadata=_metadata(),
)


def _like(base: CardType, **changes: object) -> CardType:
    return msgspec.structs.replace(base, **changes)


CARD_TYPES: Final[tuple[CardType, ...]] = (
    _PREPAID,
    _like(
        _PREPAID,
        card_type_id=PREPAID_WITH_HOLDER,
        organization=CardOrganization.VISA,
        bank_card_bin="435880",
        card_name="Personal virtual",
        card_desc="Online purchases in the name of a cardholder.",
        card_price=Decimal("2.50"),
        need_card_holder=True,
        support_holder_regin=["US", "GB", "DE", "SG"],
        support_holder_area_code=["+1", "+44", "+49", "+65"],
        recharge_fee_rate=Decimal("0.8"),
        recharge_fixed_fee=Decimal("0.30"),
    ),
    _like(
        _PREPAID,
        card_type_id=SUBSCRIPTION_WITHOUT_DEPOSIT,
        organization=CardOrganization.VISA,
        bank_card_bin="491002",
        category=CardCategory.SUBSCRIPTION,
        card_name="Subscriptions",
        card_desc="Issued empty; deposit before the first payment.",
        card_price=Decimal("0.75"),
        need_deposit_for_active_card=False,
        deposit_amount_min_quota_for_active_card=None,
        deposit_amount_max_quota_for_active_card=None,
    ),
    _like(
        _PREPAID,
        card_type_id=PLAIN,
        organization=CardOrganization.DISCOVER,
        bank_card_bin="650031",
        card_name="Plain virtual",
        card_desc="Whole dollars only, no freezing, no settings.",
        card_price=Decimal("0"),
        balance_retention_quota=Decimal("5"),
        recharge_fee_rate=Decimal("0"),
        recharge_fixed_fee=Decimal("1"),
        recharge_digital=0,
        enable_freeze=False,
        enable_un_freeze=False,
        metadata=_metadata(limit=None, mcc=False),
    ),
    _like(
        _PREPAID,
        card_type_id=PHYSICAL,
        country="HK",
        bank_card_bin="558821",
        type=CardForm.PHYSICAL,
        category=CardCategory.PHYSICAL,
        card_name="Plastic for travel",
        card_desc="Bought offline, then assigned to a cardholder and activated.",
        card_price=Decimal("12.50"),
        need_card_holder=True,
        support_holder_regin=["HK", "SG", "AU"],
        support_holder_area_code=["+852", "+65", "+61"],
        deposit_amount_min_quota_for_active_card=Decimal("20"),
        deposit_amount_max_quota_for_active_card=Decimal("2000"),
        metadata=_metadata(model=_B2C, mcc=False, no_pin=True),
    ),
    _like(
        _PREPAID,
        card_type_id=GIFT,
        organization=CardOrganization.VISA,
        bank_card_bin="435881",
        category=CardCategory.GIFT,
        card_name="Gift card",
        card_desc="Redeemed through a URL; shows no card number.",
        card_price=Decimal("0.25"),
        deposit_amount_min_quota_for_active_card=Decimal("5"),
        deposit_amount_max_quota_for_active_card=Decimal("500"),
        recharge_digital=0,
        enable_deposit=False,
        enable_freeze=False,
        enable_un_freeze=False,
        metadata=_metadata(limit=None, mcc=False),
    ),
    _like(
        _PREPAID,
        card_type_id=SHARED,
        mode=CardMode.BUDGET_CARD,
        bank_card_bin="536025",
        category=CardCategory.SUBSCRIPTION,
        card_name="Shared budget",
        card_desc="Draws on the balance of an account, together with other cards.",
        card_price=Decimal("2"),
        need_deposit_for_active_card=False,
        deposit_amount_min_quota_for_active_card=None,
        deposit_amount_max_quota_for_active_card=None,
        enable_deposit=False,
        metadata=_metadata(limit="250"),
    ),
    _like(
        _PREPAID,
        card_type_id=WITHDRAWN,
        bank_card_bin="531994",
        card_name="Withdrawn virtual",
        status=CardTypeStatus.OFFLINE,
        enable_active_card=False,
    ),
)
"""What ``cards.list_types`` answers by default; the offline type cannot be issued."""
