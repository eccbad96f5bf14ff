"""Writes Sources/Tokenizers/UnicodeTable.swift: the general categories and the scalars that NFC treats together with
those before them, as the tokenizers library has them.

    python Tests/TokenizersTests/Fixtures/unicode_table.py
"""

import pathlib
import textwrap

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


def joining_scalars(private):
    """Scalars that NFC changes, reorders or joins with what is before them."""
    compose, decompose = normalizers.NFC(), normalizers.NFD()
    joining = set()
    for scalar in SCALARS:
        if scalar in private:
            continue
        text = chr(scalar)
        parts = decompose.normalize_str(text)
        if len(parts) > 1:
            joining.add(ord(parts[-1]))  # the second half of a composition
        # U+0345 has the highest combining class of all but a few, so that any mark moves before it.
        moves = decompose.normalize_str("\u0345" + text)[0] != "\u0345"
        if scalar == 0x345 or moves or compose.normalize_str(text) != text:
            joining.add(scalar)
    return joining


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
    joining = joining_scalars(members["Co"])
    joins = " ".join(str(count) for _, count in runs(c in joining for c in range(max(joining) + 1)))
    text = f'''\
// Written by Tests/TokenizersTests/Fixtures/unicode_table.py from tokenizers {PINNED}.

/// Unicode data as the reference implementation has them, so that tokens do not change with the Swift version.
enum UnicodeTable {{
    /// Runs of equal general category from U+0000 on: a letter (A = Lu, B = Ll, … in the order of
    /// `GeneralCategory`), then the length unless it is 1.
    static let categories: String = """
{lines(categories)}
        """

    /// Lengths of runs of scalars from U+0000 on, in turn those that NFC leaves alone and those that it changes or treats
    /// together with what is before them. All later scalars are left alone.
    static let joins: String = """
{textwrap.indent(textwrap.fill(joins, 108), "        ")}
        """
}}
'''
    (ROOT / "Sources/Tokenizers/UnicodeTable.swift").write_text(text)


main()
