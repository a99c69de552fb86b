from pathlib import Path

import pytest

from nlp.codebook import Codebook
from nlp.gold import read_gold
from nlp.language import LanguageDetector

GOLD = Path(__file__).parents[3] / "shared" / "gold"


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector()


@pytest.mark.parametrize(
    "text",
    [
        "The parcel came a week late and the box was crushed.",
        "app keeps crashing after update",
        "pls refund asap ty",
        "𝓦𝓱𝓮𝓻𝓮 𝓲𝓼 𝓶𝔂 𝓸𝓻𝓭𝓮𝓻",
        "Great product, but the manual was only in 中文",
    ],
)
def test_english_is_tagged(detector: LanguageDetector, text: str) -> None:
    assert detector.detect(text).code == "en"
    assert detector.detect(text).supported


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Die Lieferung kam eine Woche zu spät und der Karton war kaputt.", "de"),
        ("Le colis est arrivé en retard et la boîte était abîmée.", "fr"),
        ("El pedido llegó tarde y nadie contesta el teléfono.", "es"),
        ("Het pakket kwam een week te laat aan.", "nl"),
        ("Paczka przyszła tydzień za późno, nikt nie odpowiada.", "pl"),
        ("Доставка опоздала", "ru"),
        ("配送が遅すぎる", "ja"),
        ("快递太慢了", "zh"),
        ("배송이 늦어요", "ko"),
        ("وصل الطرد متأخرا", "ar"),
    ],
)
def test_other_languages_are_named_and_not_tagged(detector: LanguageDetector, text: str, code: str) -> None:
    found = detector.detect(text)
    assert found.code == code
    assert not found.supported


@pytest.mark.parametrize("text", ["Sehr gut", "muy mal servicio", "ok", "", "12 34", "👍", "Zxcv Qwop"])
def test_fewer_than_four_words_are_never_refused_on_language(detector: LanguageDetector, text: str) -> None:
    assert detector.detect(text).supported


def test_at_most_one_percent_of_english_gold_is_refused(detector: LanguageDetector, codebook: Codebook) -> None:
    """The support questions for a mail program come in many languages and are left out of the count."""
    if not GOLD.is_dir():
        pytest.skip("../shared/gold is not there")
    items = [
        item
        for name in ("train.tsv", "dev.tsv", "elsewhere.tsv")
        for item in read_gold(GOLD / name, codebook)
        if item.source not in ("tbird", "tbfollow")
    ]
    refused = sum(not detector.detect(item.text).supported for item in items)
    assert refused <= 0.01 * len(items)
