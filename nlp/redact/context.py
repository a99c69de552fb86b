"""What the words in front of a number say that it is."""

import re
from typing import Final, Literal

from nlp.redact.words import words

Said = Literal["phone", "reference", "card", "account", "version"]

_LOOK_BACK_CHARS = 60
_LOOK_BACK_TOKENS = 8
_TOKEN = re.compile(r"s/n|a/c|[^\W\d_]+(?:'[^\W\d_]+)?|[#.!?;\n]")

# words that stand between a number and what it is called, and say nothing themselves
_FILLERS = words(
    """
    number numbers no nr nos num is was are were of with and the my our your his her on at for under it its
    it's that to me us him them called quoted or via a an please here be which back direct directly home
    work office personal new old current has s' either just only also too still listed given registered used
    uk us usa int international urgently asap anytime straight away number's between from by using saying
    having as in
    """
)
_SAID: Final[dict[str, Said]] = {
    **dict.fromkeys(
        words(
            """
    phone phones telephone tel mobile mobiles mob cell cellphone cellular whatsapp call calling calls ring
    text texts sms fax dial dialled dialed dialing contact reach landline hotline helpline handy phoned rang
    messaged viber telegram signal ph tele
    """
        ),
        "phone",
    ),
    **dict.fromkeys(
        words(
            """
    order orders ticket tickets case cases ref refs reference references invoice invoices booking bookings
    reservation reservations confirmation tracking shipment parcel parcels consignment awb waybill serial sn
    s/n imei iccid model models part parts item items sku product products article isbn issn ean gtin
    barcode upc asin policy claim claims transaction transactions receipt receipts rma return returns job
    jobs request requests incident incidents id ids complaint complaints po purchase quote quotation voucher
    coupon code codes batch lot flight membership member customer client meter vin error errors bug issue
    issues task chassis plate doi registration pnr delivery package packages dispatch docket warranty
    licence-key key gift loyalty clubcard enquiry inquiry message file patent charge subscription win
    prize points user agreement contract lotto clinic trial study grant assignment roll seat row building
    store branch chapter section paragraph
    """
        ),
        "reference",
    ),
    **dict.fromkeys(words("card cards visa mastercard amex debit credit discover maestro"), "card"),
    **dict.fromkeys(words("account accounts acct acc a/c iban sortcode routing ssn"), "account"),
    **dict.fromkeys(
        words(
            """
    version versions v ver firmware build release driver drivers update updated patch chrome firefox kernel
    ios android macos windows app software plugin sdk python java node upgrade upgraded
    """
        ),
        "version",
    ),
}
# cards that nobody pays with
_NO_PAYMENT = words(
    "gift loyalty member membership sim key business library club points phone report score store id"
)
_ABBREVIATED = words("no nr nos num tel mob ref ph acc acct ver v int fax cell")


def said_before(text: str, start: int) -> Said | None:
    """What the nearest telling word before `start` calls the number there; None where nothing near does.

    The look goes back over words that say nothing ("number is", "me back on") and ends at a sentence's end and at
    any other word, so that "the order is late, 07700 900123" does not make a phone number an order number.
    """
    said: list[str] = _TOKEN.findall(text[max(0, start - _LOOK_BACK_CHARS) : start].lower())
    said = said[-_LOOK_BACK_TOKENS:]
    for place in range(len(said) - 1, -1, -1):
        word = said[place]
        before = said[place - 1] if place else ""
        if word == "#":
            return "reference"
        if word == "." and before in _ABBREVIATED:
            continue
        if word in ".!?;\n":
            return None
        if word in ("number", "no", "num") and before in ("my", "our"):
            return "phone"
        if word == "code" and before in ("area", "dialling", "post", "postal", "zip", "country"):
            return None
        if word == "code" and before == "sort":
            return "account"
        if word in ("card", "cards") and before in _NO_PAYMENT:
            return "reference"
        if word in _SAID:
            return _SAID[word]
        if word not in _FILLERS:
            return None
    return None
