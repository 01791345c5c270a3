"""A checkpoint is what other tools expect, and no other text passes for it."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crds.checkpoint import Checkpoint, CheckpointError, VerifierKey, claimed, sign

ROOT = bytes(range(32))
#: The verifier key and note of the C2SP signed-note specification's Go implementation
#: (golang.org/x/mod/sumdb/note, its package example).
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PUBLISHED_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


def verifier(key: Ed25519PrivateKey, name: str = "play/bard/bard-gateway-0") -> VerifierKey:
    return VerifierKey(name, key.public_key().public_bytes_raw())


def test_the_body_is_origin_size_and_root() -> None:
    body = Checkpoint("play/bard/bard-gateway-0", 7, ROOT).body
    assert body == f"play/bard/bard-gateway-0\n7\n{base64.b64encode(ROOT).decode()}\n"


def test_what_was_signed_is_verified(key: Ed25519PrivateKey) -> None:
    checkpoint = Checkpoint("play/bard/bard-gateway-0", 7, ROOT)
    note = sign(checkpoint, key)
    assert verifier(key).verify(note) == claimed(note) == checkpoint


def test_a_key_is_written_as_others_write_it() -> None:
    key = VerifierKey.parse(PUBLISHED_KEY)
    assert str(key) == PUBLISHED_KEY
    raw = base64.b64decode(PUBLISHED_SIGNATURE)
    assert raw[:4] == key.key_id
    assert len(raw) == 4 + 64


def test_any_changed_character_is_found(key: Ed25519PrivateKey) -> None:
    note = sign(Checkpoint("play/bard/bard-gateway-0", 17, ROOT), key)
    for at in range(len(note)):
        changed = note[:at] + ("x" if note[at] != "x" else "y") + note[at + 1 :]
        with pytest.raises(CheckpointError):
            verifier(key).verify(changed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "a\n1\n",
        "a\n01\n" + "A" * 43 + "=\n\n",
        "a b\n1\n" + "A" * 43 + "=\n\n— a b x\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(key: Ed25519PrivateKey, text: str) -> None:
    with pytest.raises(CheckpointError):
        verifier(key).verify(text)


def test_another_key_or_name_is_refused(key: Ed25519PrivateKey) -> None:
    note = sign(Checkpoint("play/bard/bard-gateway-0", 17, ROOT), key)
    with pytest.raises(CheckpointError, match="no signature"):
        verifier(Ed25519PrivateKey.generate()).verify(note)
    with pytest.raises(CheckpointError, match="not of play/bard/other"):
        verifier(key, "play/bard/other").verify(note)


@pytest.mark.parametrize("text", ["", "a", "a+1+b", PUBLISHED_KEY.replace("c74f", "c74e")])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        VerifierKey.parse(text)


def test_an_origin_that_cannot_be_signed_is_refused(key: Ed25519PrivateKey) -> None:
    with pytest.raises(ValueError, match="no spaces"):
        sign(Checkpoint("a b", 1, ROOT), key)
