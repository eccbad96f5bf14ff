"""The texts of the tokenizer fixtures: what the small vocabularies are trained on, and what is encoded."""

TRAINING = """\
The harbour master writes down every ship that enters before noon. There are 12 berths, 7 of them free.
She doesn't know whether they'll come; I've heard that he'd rather wait. It's late, we're tired, I'm off.
A tokenizer cuts text into pieces, and the pieces into tokens. Tokens are numbers: 1, 22, 333, 4444, 55555.
def area(width, height):
    # the area of a rectangle
    if width < 0 or height < 0:
        raise ValueError("negative side")
    return width * height
for (int i = 0; i < count; i++) { total += values[i]; }  // add them all
{"name": "copper", "symbol": "Cu", "number": 29, "melting_point": 1084.62}
Der Zug fährt um acht Uhr ab, und die Straße ist naß. Größere Städte haben mehr Brücken.
Le garçon mange une pêche à côté de la forêt; l'été est déjà fini, où est-il allé ?
El niño pequeño soñó con el mañana. ¿Dónde está la estación? ¡Qué día!
Поезд отходит в восемь часов, а вокзал стоит на большой площади у реки.
Το τρένο φεύγει στις οκτώ και ο σταθμός είναι κοντά στο λιμάνι.
電車は八時に出ます。駅は大きな広場にあります。ひらがなとカタカナ。
火车八点开，车站在河边的广场上。今天天气很好，我们去散步。
기차는 여덟 시에 떠나고 역은 강가에 있습니다. 오늘은 날씨가 좋아요.
القطار يغادر في الساعة الثامنة والمحطة قريبة من الميناء.
הרכבת יוצאת בשמונה והתחנה קרובה לנמל.
रेलगाड़ी आठ बजे जाती है और स्टेशन नदी के पास है।
รถไฟออกแปดโมง สถานีอยู่ใกล้แม่น้ำ
Sixteen sailors sing songs, and the seventh sits still while the others are singing.
The other thing is that there is nothing in the rather thin thread that they then threw there.
A user asks, the assistant answers. The answer is short; the question was long. What is the answer?
Water boils at 100 degrees, freezes at 0, and weighs 1.0 kg per litre. In 1999 it was 2.5 times dearer.
"""

CORPUS = [
    "",
    " ",
    "  ",
    "\n",
    "a",
    " a",
    "The harbour master's ship doesn't enter; they'll wait, we've seen it, I'd go, you're in, I'm out, 'tis so.",
    "THE HARBOUR MASTER'S SHIP DOESN'T ENTER; THEY'LL WAIT, WE'VE SEEN IT, I'D GO, YOU'RE IN, I'M OUT, 'TIS SO.",
    "It'S Mixed: I'Ll, we'Ve, you'rE, he'D, i'M, can'T, ''s ''' 's's 'sx 'lly 'r 'v 'l ' s",
    "long s: it'\u017f and kelvin \u212a, \u017ftill",
    "Straße, GRÖSSE, naïve café, Ångström, œuvre, ﬁne ﬂow, ß ẞ ſ",
    "digits 0 12 345 6789 12345678901234567890 3.14159 1,000,000 0x1F 1e-5 ½ ² Ⅷ ٣٤٥ ४५ 一二三 ①②③ 𝟘𝟙",
    "7 ships,12 berths and 007agents4you 2x4=8",
    "tabs\tand\t\tmore\t \t spaces   and    runs     of      them       ",
    "   leading and trailing   ",
    "line one\nline two\n\nline four\n\n\n\nline eight\n",
    "windows\r\nline\r\n\r\nends\r\n and old\rmac\r\rones \r\n \n x",
    "mixed \n \n\n \t\n  \n x \n\t y\n ",
    "  \n\n  x", "!\n", "!!\r\n\n?", " !\n\n\n a", "a \n", "a  \n b", "a\n  b",
    "\u00a0no-break\u00a0space\u00a0\u00a0twice \u00a0 mixed\u00a0",
    "ideographic\u3000space\u3000\u3000twice \u3000 and\u2003em\u2002en\u2009thin\u200azero\u200bwidth\u202fnarrow\u205fmath",
    "line\u2028separator\u2028\u2028para\u2029graph\u0085next\u0085\u0085line \u0085 end\u0085",
    "vertical\x0btab\x0cform feed\x1c\x1d\x1e\x1funit \x0b\x0c x",
    "\x00null \x01\x02\x03 bell\x07 back\x08 escape\x1b[0m delete\x7f c1 \x80\x9f",
    "\ufeffbyte order mark \ufffd replacement \ufffe\uffff noncharacters \U0010ffff",
    "soft\u00adhyphen \u200djoiner \u200cnon-joiner \u2060word joiner \u200e\u200fmarks \u202a\u202cembedding",
    "precomposed é ñ ü Å ệ 각 が",
    "decomposed e\u0301 n\u0303 u\u0308 A\u030a e\u0323\u0302 e\u0302\u0323 \u1100\u1161\u11a8 \u304b\u3099",
    "\u0301starts with a mark, a\u0301\u0301\u0301 many, \u0323\u0301 reordered q\u0307\u0323 q\u0323\u0307",
    "singletons \u212b \u2126 \u2000 \uf900 \u0340\u0341 \u0958 \u2adc \ufb1d excluded \u0915\u093c",
    "hangul \u1100\u1161 \u1100\u1161\u11a8\u11a8 \uac00\u11a8 \uac01\u11a8 \u1161 \u11a8 jamo",
    "zalgo Z\u0351\u036b\u0343a\u0329\u0304l\u0321\u0489g\u0338\u0353o\u035c",
    "new marks a\u0898\u0301\u0323 a\u0301\u0898\u0323 b\U00010f82\u0323\u0301 c\u1ac1\u0327",
    "\U00011935\U00011930 \U000110a5\U000110ba \U000114b9\U000114ba \U0001611e\U0001611e",
    "emoji 😀😃😄 👍🏽 👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 1️⃣ ❤️ ☺️ 🫠🫨🪿",
    "joined👍🏽words👩‍🚀here and ‍ alone \U0001f3fd \ufe0f\ufe0e",
    "Поезд отходит в 8 часов, а вокзал — у реки… «Да», сказал он.",
    "Το τρένο φεύγει στις οκτώ; ΤΟ ΤΡΕΝΟ Ϊ ΐ ΰ ς",
    "電車は8時に出ます。駅は「大きな広場」にあります！ｆｕｌｌｗｉｄｔｈ １２３",
    "火车八点开，车站在河边的广场上。今天天气很好；我们去散步吗？𠀀𠮷",
    "기차는 여덟 시에 떠나고 역은 강가에 있습니다.",
    "القطار يغادر في الساعة ٨ والمحطة قريبة من الميناء، أليس كذلك؟ مَرْحَبًا",
    "הרכבת יוצאת בשמונה, והתחנה קרובה לנמל. שָׁלוֹם",
    "रेलगाड़ी आठ बजे जाती है और स्टेशन नदी के पास है। क्षत्रिय",
    "รถไฟออกแปดโมง สถานีอยู่ใกล้แม่น้ำ กำ น้ำ",
    "தமிழ் మలయాళം ქართული հայերեն አማርኛ ខ្មែរ မြန်မာ བོད་ ᐃᓄᒃᑎᑐᑦ ᏣᎳᎩ ꦗꦮ 𐍈𐌰 𐓏 𞤀𞤣 𓀀𓂀 𒀀",
    "math ∑∫√≤≥≠±×÷∞ ℵ₀ x² + y² = r² €£¥₿ ©®™ §¶†‡ •… «»„“”‘’‚‹› –—―",
    "def area(width, height):\n    # the area\n    if width < 0:\n        raise ValueError(f\"{width!r} < 0\")\n    return width*height\n",
    "for (int i = 0; i < n; ++i) {\n\ttotal += a[i] * b->c;\n}\n/* done */ // x!=y && z||!w",
    "<html>\n  <body class=\"a-b_c\">&nbsp;&lt;x&gt;</body>\n</html>",
    "{\"name\": \"copper\", \"values\": [1, 2.5, -3e+7, null, true], \"path\": \"C:\\\\temp\\n\"}",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org +49 (30) 1234-567 2024-02-29T12:34:56.789Z",
    "snake_case camelCase PascalCase kebab-case SCREAMING_CASE __init__ $HOME @decorator #tag ~/.config *.* a/b\\c",
    "!!! ??? ... ,,, ;;; --- === *** ((())) [[]] {{}} <<<>>> ||| &&& %%% $$$ ^^^ ~~~ ``` ''' \"\"\"",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen " + "pneumono" * 40,
    "a" * 300 + " " + "ab" * 150 + " " + "the" * 100,
    "x" + " " * 100 + "y" + "\n" * 50 + "z" + "\t" * 33,
    "-" * 200 + "=" * 77 + "😀" * 30 + "é" * 50,
    "<|im_start|>user\nWhat is the answer?<|im_end|>\n<|im_start|>assistant\nIt's short.<|im_end|>\n",
    "<|im_start|><|im_start|> <|im_end|> <|im_end|>x<|im_end|><|endoftext|>",
    "<|im_start <|im_end| |> <|im_start|<|im_start|>> <|endoftext",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|end_of_text|> after",
    "<s>[INST] <<SYS>>\nBe short.\n<</SYS>>\n\nHello [/INST] Hi </s><s>[INST] Bye [/INST]",
    "<s> <s>x</s> y</s>\n<unk> <pad>", "</s>  two spaces after", "a </s>", "<s>",
    "left   <mask>   right<mask>x <mask><mask> \u3000<mask>\u00a0y\n<mask>\nz",
    "left   <sep>   right<sep>x <sep><sep> \u3000<sep>\u00a0y\n<sep>\nz <sep>  ",
    "word sword wordy word. a-word word_x éword wordé word1 (word) word word 語word \u24b6word word\u0301",
    "Ünï TOKEN ünï token Unï, U\u0308ni\u0308 token, xÜnïx, Ünï▁TOKEN, VIỆT vi\u1ec7t VIE\u0323\u0302T VIE\u0302\u0323T",
    "▁ ▁▁ a▁b ▁a Ġ Ċ ĉ Ã© ÿ <0x41> <0x0A> <0xE2><0x96><0x81> &#9601;",
    "\u0120the \u0120\u0120 \u010a",
    "xylophone xylophones axylophone Xylophone xylophonexylophone 😀xylophone",
    "Sixteen sailors sing songs, and the seventh sits still while the others are singing the other thing.",
    "Water boils at 100 degrees, freezes at 0, and weighs 1.0 kg per litre. In 1999 it was 2.5 times dearer.",
    "One sentence.  Two spaces.   Three.\n\n- item one\n- item two\n  1. nested\n  2. more\n\n> quote\n\n| a | b |\n|---|---|\n",
    "Dear user,\n\n\tI'm writing to you 'cause it's late.\n\nYours,\n  The Assistant 🙂",
    "aA1 !\u00e9\u0416\u4e2d\uac00\u0627\u05d0\u0915\u0e01\u1f600 \U0001f600\U00020000\u0663\u2167\u3000\u2028\u0301",
]
