"""How texts are cut for engines that lose their way in long ones."""

# ruff: noqa: RUF001  # many letters look like Latin ones

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.shared.chunks import CLAUSE, PARAGRAPH, SENTENCE, WORD, cut, split
from app.shared.provider import Provider, load_providers

PROVIDERS = load_providers(Path(__file__).parents[2] / "notebooks")
LANGUAGES = sorted({language.code for provider in PROVIDERS.values() for language in provider.languages})

# What texts trip over: marks of every script, brackets, joined emoji, accents, odd white space, tags, open quotes.
TRAPS = [
    *".,;:!?…。！？、「」“”\"'()[]{}—–।۔؟።။\n\t \u2029\u00a0\u0301\u200d👨‍👩‍👧é3",
    "\n\n",
    "Dr. ",
    "3.5",
    "a. ",
    "</p>",
    "ที่",
]
HOSTILE = st.lists(st.one_of(st.sampled_from(TRAPS), st.text(max_size=8)), max_size=80).map("".join)

# Two sentences that nobody may take for one, nor for three, in the language's own letters and marks.
TWO_SENTENCES = {
    "en": ["Dr. Smith paid $3.50 at 5 p.m. on Jan. 5.", "Then he left."],
    "de": ["Dr. Müller zahlte am 3. Mai z. B. 4.000,50 Euro.", "Danach ging er nach Hause."],
    "fr": ["Hier M. Dupont et Mme. Durand ont payé 3,50 €.", "« Bonjour ! » dit-il."],
    "es": ["El Sr. López pagó 3.50 a la Sra. Ruiz.", "¿Cómo está usted?"],
    "it": ["Il dott. Rossi ha pagato 3,50 euro.", "Poi è andato via."],
    "nl": ["Hier wonen dhr. Jansen en mevr. De Vries.", "Dat kost veel geld."],
    "pl": ["Pan dr. Kowalski zapłacił 3,50 zł.", "Potem poszedł do domu."],
    "pt": ["O Sr. Silva e a Dra. Ana pagaram 3,50.", "Depois saíram juntos."],
    "ru": ["Это г. Москва, ул. Ленина, д. 5.", "Всё хорошо!"],
    "uk": ["Це м. Київ, вул. Шевченка.", "Усе добре!"],
    "bg": ["Това е много добра книга.", "Тя е нова."],
    "mk": ["Ова е многу добра книга.", "Таа е нова."],
    "kk": ["Бұл өте жақсы кітап.", "Ол жаңа."],
    "mn": ["Энэ бол маш сайн ном.", "Тэр шинэ."],
    "el": ["Ο κ. Παπαδόπουλος ήρθε χθες.", "Τι κάνεις εσύ;"],
    "ka": ["გამარჯობა ჩემო მეგობარო.", "როგორ ხარ?"],
    "zh": ["“今天很好。明天也好，价格是3.5元。”他说。", "真的吗？"],
    "yue": ["你好，今日點呀？", "好好！"],
    "ja": ["「今日は元気。」と彼は言った（本当に）。", "はい、価格は３．５円です。"],
    "ko": ['그는 "오늘은 3.5원입니다."라고 말했다.', "정말요?"],
    "ar": ["السعر هو 3.5 دولار، يا صديقي.", "كيف حالك؟"],
    "fa": ["سلام، قیمت آن 3.5 تومان است.", "حال شما چطور است؟"],
    "ur": ["السلام علیکم، قیمت 3.5 روپے ہے۔", "آپ کیسے ہیں؟"],
    "ps": ["سلام زما ګرانه ملګري.", "ته څنګه یې؟"],
    "he": ["המחיר הוא 3.5 שקלים.", "מה שלומך?"],
    "hi": ["कल डॉ. शर्मा आए और 3.5 रुपये दिए।", "आप कैसे हैं?"],
    "mr": ["आज हवामान खूप छान आहे.", "तुम्ही कसे आहात?"],
    "ne": ["आज मौसम धेरै राम्रो छ।", "तपाईंलाई कस्तो छ?"],
    "bn": ["আজ আবহাওয়া খুব ভালো।", "আপনি কেমন আছেন?"],
    "gu": ["આજે હવામાન ખૂબ સારું છે.", "તમે કેમ છો?"],
    "ta": ["இன்று வானிலை நன்றாக உள்ளது.", "எப்படி இருக்கிறீர்கள்?"],
    "te": ["ఈరోజు వాతావరణం చాలా బాగుంది.", "మీరు ఎలా ఉన్నారు?"],
    "kn": ["ಇಂದು ಹವಾಮಾನ ತುಂಬಾ ಚೆನ್ನಾಗಿದೆ.", "ನೀವು ಹೇಗಿದ್ದೀರಿ?"],
    "ml": ["ഇന്ന് കാലാവസ്ഥ വളരെ നല്ലതാണ്.", "സുഖമാണോ?"],
    "si": ["අද කාලගුණය ඉතා හොඳයි.", "ඔබට කොහොමද?"],
    "my": ["မင်္ဂလာပါ သူငယ်ချင်း။", "နေကောင်းလား။"],
    "km": ["សួស្តីមិត្តជាទីស្រឡាញ់។", "អ្នកសុខសប្បាយទេ?"],
    "lo": ["ສະບາຍດີ ເພື່ອນ.", "ເຈົ້າສະບາຍດີບໍ?"],
    "th": ["สวัสดีครับวันนี้อากาศดีมาก", "ผมไปตลาดแล้วกลับบ้าน"],
    "am": ["ሰላም ነው ወንድሜ።", "እንዴት ነህ?"],
}
FAR_APART = {"en", "ar", "hi", "ja", "th", "zh"}
LATIN = ["Paragrafo bello con 3,5 litri.", "Altra frase nuova?"]


def squeezed(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=200, deadline=None)
@given(HOSTILE, st.sampled_from(LANGUAGES), st.integers(min_value=1, max_value=60))
def test_nothing_of_a_text_is_lost_and_no_piece_is_too_long(text: str, language: str, longest: int) -> None:
    """But for white space, the pieces in order are the text, in every language that a provider speaks."""
    chunks = cut(text, language, longest)
    assert squeezed("".join(chunk.text for chunk in chunks)) == squeezed(text)
    assert all(len(chunk.text) <= longest for chunk in chunks)
    assert {chunk.pause for chunk in chunks} <= {PARAGRAPH, SENTENCE, CLAUSE, WORD}
    assert split(text, language, longest) == [chunk.text for chunk in chunks]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_cut_at_its_sentences(language: str) -> None:
    """Whatever its marks are; not at an abbreviation, a date or a decimal point."""
    sentences = TWO_SENTENCES.get(language) or TWO_SENTENCES.get(language.partition("-")[0], LATIN)
    text = " ".join([*sentences, *sentences])
    assert split(text, language, max(map(len, sentences))) == [*sentences, *sentences]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_the_longest_text_is_cut_whole_for_every_provider(provider: Provider) -> None:
    """20,000 characters of sentences: every chunk but the last is one that the engine speaks well, none ends within."""
    for language in [one for one in provider.languages if one.code in FAR_APART] or provider.languages[:1]:
        sentences = TWO_SENTENCES.get(language.code) or TWO_SENTENCES.get(language.code.partition("-")[0], LATIN)
        paragraph = " ".join(sentences)
        text = "\n\n".join([paragraph] * (20_000 // (len(paragraph) + 2)))
        longest = language.max_chunk_characters or provider.limits.max_chunk_characters
        chunks = cut(text, language.code, longest)
        assert squeezed("".join(chunk.text for chunk in chunks)) == squeezed(text)
        assert all(longest / 2 - len(paragraph) <= len(chunk.text) <= longest for chunk in chunks[:-1])
        assert {chunk.pause for chunk in chunks} <= {PARAGRAPH, CLAUSE if language.code in {"th"} else SENTENCE}


def test_short_sentences_share_a_piece() -> None:
    """A title's full stop is no end."""
    text = "Dr. Smith came home. He was tired. The night was long, and nobody had slept."
    assert split(text, "en", 45) == [
        "Dr. Smith came home. He was tired.",
        "The night was long, and nobody had slept.",
    ]


def test_a_long_sentence_is_cut_at_its_clauses_and_then_at_its_words() -> None:
    """The cut is where a speaker would breathe, if there is such a place; he rests there less than after a sentence."""
    text = "One two three, four five six, seven eight nine ten eleven. Twelve."
    assert [(chunk.text, chunk.pause) for chunk in cut(text, "en", 20)] == [
        ("One two three,", CLAUSE),
        ("four five six,", CLAUSE),
        ("seven eight nine ten", WORD),
        ("eleven. Twelve.", PARAGRAPH),
    ]
    assert split("one two three four five six", "en", 10) == ["one two", "three four", "five six"]


def test_a_cut_between_paragraphs_is_the_longest_rest() -> None:
    """A chunk ends with its paragraph once it is half full, and then the next one begins."""
    text = "One is here. Two is here.\n\nThree is here. Four is here.\r\n \r\nFive. Six is here, and here it ends."
    assert [(chunk.text, chunk.pause) for chunk in cut(text, "en", 40)] == [
        ("One is here. Two is here.", PARAGRAPH),
        ("Three is here. Four is here.", PARAGRAPH),
        ("Five. Six is here, and here it ends.", PARAGRAPH),
    ]
    assert [chunk.pause for chunk in cut("One is here.\nTwo is here. Three.", "en", 15)] == [
        SENTENCE,
        SENTENCE,
        PARAGRAPH,
    ]


def test_numbers_times_and_addresses_stay_whole() -> None:
    """A comma or colon within one is no place to breathe."""
    text = "It costs 1,000,000.00 at 12:30:15 on www.example.com/a,b;c or 1990–2000 or so"
    assert split(text, "en", 27) == [
        "It costs 1,000,000.00 at",
        "12:30:15 on",
        "www.example.com/a,b;c or",
        "1990–2000 or so",
    ]


def test_no_character_is_torn_apart() -> None:
    """Where there is no space at all, accents, vowel signs and joined emoji stay with what carries them."""
    assert split("e\u0301" * 5, "fr", 5) == ["e\u0301e\u0301", "e\u0301e\u0301", "e\u0301"]
    assert split("ที่ที่ที่", "th", 4) == ["ที่", "ที่", "ที่"]
    assert split("👨‍👩‍👧👨‍👩‍👧", "en", 6) == ["👨‍👩‍👧", "👨‍👩‍👧"]


@pytest.mark.parametrize("piece", ['"', "(", "。”", "a. ", "Dr. ", "1. 1 ", " ", "\n", "a\n \n ", "\u0301", "—", "a"])
def test_a_text_that_nobody_would_write_is_cut_as_well(piece: str) -> None:
    """20,000 characters of anything are cut, and soon: nobody else waits for a worker that cuts for ever."""
    text = (piece * 20_000)[:20_000]
    pieces = split(text, "en", 120)
    assert squeezed("".join(pieces)) == squeezed(text)
    assert all(len(one) <= 120 for one in pieces)


def test_a_short_text_stays_as_it_is() -> None:
    """What fits is handed over untouched, its white space included."""
    assert split(" Hello.\n\nBye. ", "en", 100) == [" Hello.\n\nBye. "]
