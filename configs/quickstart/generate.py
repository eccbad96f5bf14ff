#!/usr/bin/env python3
"""Writes train.jsonl and eval.jsonl beside this file: questions about chemical elements, answered as strict JSON.

Run it from anywhere with any Python 3.9 or newer: `python3 configs/quickstart/generate.py`. The same rows come out
every time (one fixed seed). The state is that at 25 degrees Celsius and 1 bar; it is null for elements of which nobody
has yet seen enough to tell.
"""
import json
import pathlib
import random

NAMES = """
H Hydrogen, He Helium, Li Lithium, Be Beryllium, B Boron, C Carbon, N Nitrogen, O Oxygen, F Fluorine, Ne Neon,
Na Sodium, Mg Magnesium, Al Aluminium, Si Silicon, P Phosphorus, S Sulfur, Cl Chlorine, Ar Argon, K Potassium,
Ca Calcium, Sc Scandium, Ti Titanium, V Vanadium, Cr Chromium, Mn Manganese, Fe Iron, Co Cobalt, Ni Nickel, Cu Copper,
Zn Zinc, Ga Gallium, Ge Germanium, As Arsenic, Se Selenium, Br Bromine, Kr Krypton, Rb Rubidium, Sr Strontium,
Y Yttrium, Zr Zirconium, Nb Niobium, Mo Molybdenum, Tc Technetium, Ru Ruthenium, Rh Rhodium, Pd Palladium, Ag Silver,
Cd Cadmium, In Indium, Sn Tin, Sb Antimony, Te Tellurium, I Iodine, Xe Xenon, Cs Caesium, Ba Barium, La Lanthanum,
Ce Cerium, Pr Praseodymium, Nd Neodymium, Pm Promethium, Sm Samarium, Eu Europium, Gd Gadolinium, Tb Terbium,
Dy Dysprosium, Ho Holmium, Er Erbium, Tm Thulium, Yb Ytterbium, Lu Lutetium, Hf Hafnium, Ta Tantalum, W Tungsten,
Re Rhenium, Os Osmium, Ir Iridium, Pt Platinum, Au Gold, Hg Mercury, Tl Thallium, Pb Lead, Bi Bismuth, Po Polonium,
At Astatine, Rn Radon, Fr Francium, Ra Radium, Ac Actinium, Th Thorium, Pa Protactinium, U Uranium, Np Neptunium,
Pu Plutonium, Am Americium, Cm Curium, Bk Berkelium, Cf Californium, Es Einsteinium, Fm Fermium, Md Mendelevium,
No Nobelium, Lr Lawrencium, Rf Rutherfordium, Db Dubnium, Sg Seaborgium, Bh Bohrium, Hs Hassium, Mt Meitnerium,
Ds Darmstadtium, Rg Roentgenium, Cn Copernicium, Nh Nihonium, Fl Flerovium, Mc Moscovium, Lv Livermorium,
Ts Tennessine, Og Oganesson
"""
# Elements that only eval.jsonl asks about, in phrasings that only eval.jsonl has.
HELD_OUT = ["Oxygen", "Sodium", "Silicon", "Calcium", "Iron", "Copper", "Silver", "Tin", "Neon", "Gold", "Iodine",
            "Xenon", "Lead", "Uranium"]
TRAIN_PHRASINGS = [
    "What is {name}?", "Tell me about {name}.", "Describe {name}.", "Look up {name}.", "{Name}, please.",
    "Which element has the symbol {symbol}?", "What does {symbol} stand for?", "Element {number}?",
    "Which element is number {number}?", "Data for {name}?",
]
EVAL_PHRASINGS = ["I would like to know more about {name}.", "What can you say about the element {name}?"]
SYSTEM = "Elements as JSON."
ROWS_PER_ELEMENT = 3
SEED = 118
LIQUIDS = ["Br", "Hg"]
GASES = ["H", "He", "N", "O", "F", "Ne", "Cl", "Ar", "Kr", "Xe", "Rn"]
# Never seen in a visible amount: astatine, francium, and all from fermium on.
UNSEEN = [85, 87, *range(100, 119)]


def element(number, symbol, name):
    """The facts about one element."""
    state = "gas" if symbol in GASES else "liquid" if symbol in LIQUIDS else "solid"
    return {"name": name, "symbol": symbol, "number": number, "state": None if number in UNSEEN else state}


def row(facts, phrasing):
    """One conversation: a short system turn, the question, the facts as JSON."""
    name = facts["name"].lower()
    question = phrasing.format(name=name, Name=facts["name"], symbol=facts["symbol"], number=facts["number"])
    turns = [("system", SYSTEM), ("user", question), ("assistant", json.dumps(facts))]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def main():
    pairs = [pair.split() for pair in NAMES.replace("\n", " ").split(",")]
    elements = [element(number, *pair) for number, pair in enumerate(pairs, 1)]
    assert len(elements) == 118 and len({e["symbol"] for e in elements}) == len({e["name"] for e in elements}) == 118
    known = [facts for facts in elements if facts["name"] not in HELD_OUT]
    count = len(TRAIN_PHRASINGS)
    train = [row(facts, TRAIN_PHRASINGS[(i + turn * count // ROWS_PER_ELEMENT) % count])
             for turn in range(ROWS_PER_ELEMENT) for i, facts in enumerate(known)]
    random.seed(SEED)
    random.shuffle(train)
    held_out = [facts for name in HELD_OUT for facts in elements if facts["name"] == name]
    here = pathlib.Path(__file__).resolve().parent
    write(here / "train.jsonl", train)
    # Each element once, with the phrasings by turns, then each with the other phrasing.
    asked = [row(facts, EVAL_PHRASINGS[(i + turn) % 2]) for turn in range(2) for i, facts in enumerate(held_out)]
    write(here / "eval.jsonl", asked)


if __name__ == "__main__":
    main()
