"""Writes Sources/Tokenizers/UnicodeTable.swift and CompositionTable.swift: general categories, canonical decompositions
and combining classes as the tokenizers library has them.

    python Tests/TokenizersTests/Fixtures/unicode_table.py
"""

import pathlib
import textwrap
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

PINNED = "0.23.3"
ROOT = pathlib.Path(__file__).resolve().parents[3]
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"


def scalars_of(pattern):
    """All scalars that the library's regular expressions count to a class."""
    splitter = pre_tokenizers.Split(Regex(pattern + "+"), "removed", invert=True)
    found = set()
    for _, (start, end) in splitter.pre_tokenize_str("".join(map(chr, SCALARS))):
        found.update(SCALARS[start:end])
    return found


def decompositions():
    """(scalar, full canonical decomposition) of all but the Hangul syllables."""
    decompose = normalizers.NFD()
    for scalar in SCALARS:
        parts = decompose.normalize_str(chr(scalar))
        if parts != chr(scalar) and not 0xAC00 <= scalar < 0xD7A4:
            yield scalar, [ord(part) for part in parts]


def combining_class(scalar):
    """The scalar's class where the library's older Unicode data have it, else 0."""
    value = unicodedata.combining(chr(scalar))
    if value == 0:
        return 0
    # Before a mark of a lower class, or after one of a higher, it is reordered if it is a mark.
    decompose = normalizers.NFD()
    before, after = chr(scalar) + "\u0334", "\u0345" + chr(scalar)
    moves = decompose.normalize_str(before) != before or decompose.normalize_str(after) != after
    return value if moves or scalar == 0x345 else 0


def words(text):
    return textwrap.indent(textwrap.fill(text, 108), "        ")


def lines(text):
    return "\n".join("        " + text[i : i + 108] for i in range(0, len(text), 108))


def runs(values):
    """[(value, length)] of equal values that follow each other."""
    result = []
    for value in values:
        if result and result[-1][0] == value:
            result[-1][1] += 1
        else:
            result.append([value, 1])
    return result


def main():
    assert tokenizers.__version__ == PINNED, tokenizers.__version__
    category = {c: "d" for c in range(0xD800, 0xE000)}
    members = {}
    for name, letter in zip(CATEGORIES, LETTERS):
        members[name] = scalars_of(r"\p{%s}" % name)
        for scalar in members[name]:
            category[scalar] = letter
    categories = "".join(
        letter + ("" if count == 1 else str(count)) for letter, count in runs(category[c] for c in range(0x110000))
    )
    text = f'''\
// Written by Tests/TokenizersTests/Fixtures/unicode_table.py from tokenizers {PINNED}.

/// Unicode data as the reference implementation has them, so that tokens do not change with the Swift version.
enum UnicodeTable {{
    /// Runs of equal general category from U+0000 on: a letter (A = Lu, B = Ll, … in the order of
    /// `GeneralCategory`), then the length unless it is 1.
    static let categories: String = """
{lines(categories)}
        """
}}
'''
    (ROOT / "Sources/Tokenizers/UnicodeTable.swift").write_text(text)
    write_compositions()


def write_compositions():
    entries, previous = [], 0
    for scalar, parts in decompositions():
        is_composite = normalizers.NFC().normalize_str(chr(scalar)) == chr(scalar)
        entries.append(f"{scalar - previous:x}{':' if is_composite else '='}" + ".".join(f"{part:x}" for part in parts))
        previous = scalar
    classes = runs(combining_class(c) for c in range(0x1F000))
    assert classes[-1][0] == 0
    text = f'''\
// Written by Tests/TokenizersTests/Fixtures/unicode_table.py from tokenizers {PINNED}.

/// Data for NFC as the reference implementation has them.
enum CompositionTable {{
    /// Scalars with a canonical decomposition but the Hangul syllables: hexadecimal distance from the one before, a colon
    /// if NFC makes the scalar of its parts, else "=", the full decomposition in hexadecimal with dots.
    static let decompositions: String = """
{words(" ".join(entries))}
        """

    /// Runs of scalars of equal canonical combining class from U+0000 on: class, colon, length. All later ones have 0.
    static let classes: String = """
{words(" ".join(f"{value}:{count}" for value, count in classes[:-1]))}
        """
}}
'''
    (ROOT / "Sources/Tokenizers/CompositionTable.swift").write_text(text)


main()
