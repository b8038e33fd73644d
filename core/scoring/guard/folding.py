"""Text as a reader means it: without hidden characters, look-alikes and disguises, so that rules see through them."""

import base64
import binascii
import codecs
import html
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator
from functools import lru_cache

# Cyrillic, Greek and other letters that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "абвгеѕзіїјкмнорстухһԁԛԝԍɡѵёαβγδεηικνορτυχωϲϳ",
    "abbresziijkmhopctyxhdqwggveabydenikvoptuxwcj",
)
_LOOK = re.compile("[абвгеѕзіїјкмнорстухһԁԛԝԍɡѵёαβγδεηικνορτυχωϲϳ]")
_SMALL = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")
_LEET = str.maketrans("013457@$!|€", "oieastasiie")
_LEET_WORD = re.compile(r"[a-z013457@$!|€]{3,30}")
_WORD = re.compile(r"[^\W\d_]+")
_SPREAD = re.compile(r"(?<![^\W_])(?:[^\W_][\s.\-_*,/|·•]{1,3}){4,}[^\W_](?![^\W_])")
_INSIDE = re.compile(r"(?<=[^\W\d_])[._*\-|·•](?=[^\W\d_])")
_BASE64 = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/_-]{12,4000}={0,2}(?![\w+/=])")
_HEX = re.compile(r"(?<![\w])(?:0x)?((?:[0-9a-fA-F]{2}[\s:]?){8,2000})(?![\w])")
_CODES = re.compile(r"(?<!\d)(?:\d{2,3}[ ,]{1,2}){7,800}\d{2,3}(?!\d)")
_BITS = re.compile(r"(?<![01])(?:[01]{8}\s?){4,400}(?![01])")
_ESCAPES = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
_MORSE = re.compile(r"(?:[.\-]{1,5}[ /]{1,3}){8,600}[.\-]{1,5}")
_MORSE_SIGNS = dict(
    zip(
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..".split(),  # noqa: SIM905, E501
        "abcdefghijklmnopqrstuvwxyz",
        strict=True,
    )
)
_COMMON = re.compile(
    r"\b(?:the|a|i|you|to|and|of|is|it|that|in|my|me|we|so|yes|no|ok|okay|for|on|do|was|not|have|be|this|are|with|hi|thanks"
    r"|der|die|das|und|ich|sie|le|la|les|de|el|en|il|che|que|het|een|je|un|une)\b"
)


def is_hidden(sign: str) -> bool:
    """Tell whether a character shows nothing and is not part of an emoji or of a script that needs it."""
    code = ord(sign)
    return (
        unicodedata.category(sign) == "Cf"
        or 0xE0000 <= code <= 0xE01EF
        or 0xFE00 <= code <= 0xFE0E
        or code in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800)
    )


def find_hidden(text: str) -> list[tuple[int, int]]:
    """Return the runs of hidden characters that stand between Latin letters, blanks or at an edge, as [start, end)."""
    runs: list[tuple[int, int]] = []
    start = 0
    if text.isascii():
        return runs
    while start < len(text):
        if not is_hidden(text[start]):
            start += 1
            continue
        end = start
        while end < len(text) and is_hidden(text[end]):
            end += 1
        if not (_needs_joiner(text[start - 1 : start]) or _needs_joiner(text[end : end + 1])):
            runs.append((start, end))
        start = end
    return runs


def _needs_joiner(sign: str) -> bool:
    """Tell whether a neighbour is an emoji or of a script in which joiners and marks of direction are spelling."""
    return bool(sign) and (
        unicodedata.category(sign) in ("So", "Sk")
        or unicodedata.bidirectional(sign) in ("R", "AL")
        or 0x900 <= ord(sign) < 0x1200
    )


def fold(text: str) -> str:
    """Return a text in lower case without accents, hidden characters and letters that only look Latin."""
    if text.isascii():
        return text.lower()
    shown = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not is_hidden(sign))
    plain = unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", shown)).casefold()
    plain = (
        plain.replace("’", "'")
        .replace("‘", "'")
        .replace("“", '"')
        .replace("”", '"')
        .replace("–", "-")
        .replace("—", "-")
        .translate(_SMALL)
    )
    return _WORD.sub(lambda word: _unmix(word[0]), plain)


def mixes_scripts(text: str) -> bool:
    """Tell whether a word of four letters or more is put together from Latin letters and look-alikes of others."""
    if text.isascii():
        return False
    return any(
        len(word) >= 4 and _LOOK.search(word) and re.search("[a-z]", word)
        for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    )


def _unmix(word: str) -> str:
    if not word.isascii() and all(sign.isascii() or _LOOK.match(sign) for sign in word):
        return word.translate(_LOOKALIKES)
    return word


def undisguise(text: str) -> Iterator[str]:
    """Yield what a sentence may say in disguise, folded: leetspeak, spread letters, codes, ciphers, mirror writing."""
    plain = fold(text)
    leet = " ".join(_unleet(word) for word in plain.split(" "))
    if leet != plain:
        yield leet
    if _INSIDE.search(plain):
        yield _INSIDE.sub(" ", plain)
        yield _INSIDE.sub("", plain)
    for decoded in decode(text):
        yield fold(decoded)
    if 12 <= len(plain) <= 1_500 and sum(map(str.isalpha, plain)) >= 8 and not _COMMON.search(plain):
        yield codecs.encode(plain, "rot13")
        yield plain[::-1]
        yield " ".join(word[::-1] for word in plain.split())
        yield plain.translate(_mirror())
        for shift in range(1, 26):
            if shift != 13:
                yield plain.translate(_shifted(shift))


def _unleet(word: str) -> str:
    core = word.strip(".,:;?()\"'")
    mixed = core and _LEET_WORD.fullmatch(core) and re.search("[a-z]", core) and re.search("[^a-z]", core)
    return word.translate(_LEET) if mixed else word


def find_spread(text: str) -> list[str]:
    """Return words whose letters stand apart ("i g n o r e"), put together."""
    return [re.sub(r"[\W_]+", "", match[0]).translate(_LEET) for match in _SPREAD.finditer(fold(text))]


def decode(text: str) -> Iterator[str]:
    """Yield what codes in a text say: base64, hexadecimal, numbers of letters, bits, escapes, Morse."""
    for match in _BASE64.finditer(text):
        yield from _if_text(_base64(match[0]))
    for match in _HEX.finditer(text):
        digits = re.sub(r"[\s:]", "", match[1])
        yield from _if_text(bytes.fromhex(digits[: len(digits) // 2 * 2]))
    for match in _CODES.finditer(text):
        yield from _if_text(bytes(code for number in re.findall(r"\d+", match[0]) if (code := int(number)) < 256))
    for match in _BITS.finditer(text):
        bits = re.sub(r"\s", "", match[0])
        yield from _if_text(bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits) - 7, 8)))
    if _ESCAPES.search(text):
        yield _ESCAPES.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
    if len(re.findall(r"%[0-9A-Fa-f]{2}", text)) > 1:
        yield urllib.parse.unquote(text, errors="replace")
    if re.search(r"&(?:#\w{2,7}|[a-z]{2,8});", text):
        yield html.unescape(text)
    for match in _MORSE.finditer(text):
        words = re.split(r"\s{2,}|\s?/\s?", match[0])
        yield " ".join("".join(_MORSE_SIGNS.get(sign, "") for sign in word.split()) for word in words)
    tags = "".join(chr(ord(sign) - 0xE0000) for sign in text if 0xE0020 <= ord(sign) < 0xE007F)
    if tags:
        yield tags


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(
            text.replace("-", "+").replace("_", "/").rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        )
    except (binascii.Error, ValueError):
        return b""


def _if_text(raw: bytes) -> Iterator[str]:
    """Yield what reads as words; few strings of letters do by chance."""
    try:
        said = raw.decode("utf-8")
    except UnicodeDecodeError:
        return
    if len(said) >= 8 and sum(sign.isalpha() or sign in " .,:;!?'-/0123456789" for sign in said) >= 0.95 * len(said):
        yield said


@lru_cache(maxsize=32)
def _shifted(shift: int) -> dict[int, int]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return str.maketrans(letters, letters[shift:] + letters[:shift])


@lru_cache(maxsize=1)
def _mirror() -> dict[int, int]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return str.maketrans(letters, letters[::-1])
