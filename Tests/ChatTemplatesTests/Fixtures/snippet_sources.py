"""Pieces of template source and the variables they see, for generate.py."""

VARIABLES = {
    "x": 5, "y": 2.5, "big": 123456789012345678, "t": True, "f": False, "n": None, "s": "Hello World", "e": "",
    "u": "Grüße, ΑΣ ß ǆ İ 👩‍👩‍👧 日本", "ws": " \t a b \u00a0c\n ", "lines": "one\r\ntwo\n\nthree\u2028four",
    "l": [3, 1, 2], "names": ["bob", "Alice", "carol", "alice"], "nested": [[1, 2], [3, 4]], "empty": [],
    "d": {"b": 1, "a": 2, "C": 3}, "mixed": {"k": [1, None, True, 2.5, "q'\"", {"z": []}], "é": "ü\n\u0007"},
    "people": [{"name": "Ann", "age": 30, "tag": {"id": 2}}, {"name": "bob", "age": 25, "tag": {"id": 1}},
               {"name": "Cy", "age": 30}],
    "html": "<a href=\"x\">'&'</a>",
}

SNIPPETS = r"""
{{ x }}|{{ y }}|{{ t }}|{{ f }}|{{ n }}|{{ missing }}|{{ s }}
{{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e-7 }} {{ 1e100 }} {{ 123456789.123 }} {{ 3.0 }} {{ -0.0 }} {{ 1_000 }}
{{ 0x1F }} {{ 0o17 }} {{ 0b101 }} {{ 1e3 }} {{ 2.50 }}
{{ l }} {{ d }} {{ mixed }} {{ (1,) }} {{ (1, 2) }} {{ () }} {{ [] }} {{ {} }}
{{ 'it\'s' }} {{ "say \"hi\"" }} {{ ['it\'s', "q\"", 'both\'"'] }}
{{ 'a\tb\nc\\d\x41\u00e9\U0001F600\101\q' }}
{{ ['\x00\x7f\x85\u00a0\u200b\ufeff\U0001F600é'] }}
{{ 'one' 'two' "three" }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 1 / 3 }} {{ 10 / 5 }} {{ 0.1 + 0.2 }} {{ 1e308 * 10 }} {{ 5.0 // 0.1 }}
{{ -x }} {{ +x }} {{ - -x }} {{ -2 ** 2 }} {{ not x }} {{ not not e }}
{{ 'a' * 3 }} {{ 3 * 'ab' }} {{ [1, 2] * 2 }} {{ 'x' * -1 }}|{{ (1,) + (2,) }} {{ [1] + [2] }}
{{ true + true }} {{ true * 3 }} {{ 'a' ~ 1 ~ none ~ 2.0 ~ missing ~ [1] }}
{{ 1 + 2 ~ 3 }} {{ 1 ~ 2 + 3 }} {{ 2 * 3 ~ 4 }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }} {{ none == false }} {{ [1, 2] == [1, 2] }} {{ (1, 2) == [1, 2] }}
{{ 'a' < 'b' }} {{ 'a' < 'B' }} {{ [1, 2] < [1, 3] }} {{ 1 != 2 }} {{ 'é' > 'z' }} {{ 2 >= 2.0 }} {{ 'abc' <= 'abd' }}
{{ 1 in [1, 2] }} {{ 3 not in [1, 2] }} {{ 'ell' in s }} {{ 'b' in d }} {{ 1 in d }} {{ 'x' in missing }} {{ '' in s }} {{ 2 in (1, 2) }}
{{ x and y }} {{ e or 'other' }} {{ n or e or f }} {{ x and e }}| {{ not (x and e) }} {{ 1 and 2 or 3 }} {{ 0 or none }}
{{ 'yes' if x else 'no' }} {{ 'yes' if e else 'no' }} {{ 'only' if f }}| {{ 1 if f else 2 if f else 3 }} {{ (1 if f) is undefined }}
{{ x is defined }} {{ missing is defined }} {{ missing is undefined }} {{ n is none }} {{ x is not none }} {{ d.zz is defined }}
{{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ x is sequence }} {{ l is iterable }} {{ x is iterable }} {{ missing is sequence }} {{ missing is iterable }}
{{ x is number }} {{ t is number }} {{ x is integer }} {{ t is integer }} {{ y is float }} {{ t is boolean }} {{ t is true }} {{ f is false }} {{ 1 is true }} {{ x is boolean }}
{{ x is odd }} {{ x is even }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ x is eq 5 }} {{ x is equalto(5) }} {{ x is ne 4 }} {{ x is lt 6 }} {{ x is ge 6 }} {{ 2 is in [1, 2] }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'a1' is lower }} {{ '1' is upper }} {{ range is callable }} {{ x is callable }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ n is sameas none }} {{ 1 is sameas true }}
{{ x is not odd }} {{ not x is odd }} {{ x is odd and y is float }} {{ l is not string and d is mapping }} {{ 'a' if x is odd else 'b' }}
{{ l[0] }} {{ l[-1] }} {{ l[9] }}| {{ s[0] }} {{ s[-1] }} {{ u[0] }} {{ d['b'] }} {{ d.b }} {{ d.zz }}| {{ nested[1][0] }} {{ people[0].name }} {{ people[0]['tag'].id }} {{ people.0.name }}
{{ s[1:3] }} {{ s[:5] }} {{ s[6:] }} {{ s[-5:] }} {{ s[::-1] }} {{ s[::2] }} {{ s[8:2:-2] }} {{ s[5:2] }}| {{ u[:5] }} {{ u[-2:] }} {{ s[:] }} {{ s[100:] }}| {{ s[-100:2] }}
{{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[5:] }} {{ l[::2] }} {{ (1, 2, 3)[1:] }} {{ range(10)[2] }} {{ l[none:2] }} {{ missing2 is defined and missing2[1:] }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ d.get('b') }} {{ d.get('zz') }} {{ d.get('zz', 7) }} {{ d.items() | list }} {{ d.keys() | length }} {{ 'a' in d.keys() }} {{ d.copy() == d }}
{{ {'a': 1, 'b': {'c': 2}}.b.c }} {{ {'items': 5}['items'] }} {{ {1: 'one'}[1] }} {{ {1: 'one', true: 'two'} }} {{ {'a': 1, 'a': 2} }} {{ {1.0: 'f'}[1] }}
{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ (1, 1).count(1) }} {{ [1].copy() }}
{{ l.append(4) }}
{% set z = l.append %}{{ z is defined }}
{{ d.update({'q': 1}) }}
{{ d.pop('a') }}
{{ s.__class__ }}
{{ s.__class__.__name__ }}
{{ missing.attribute }}
{{ missing['x'] }}
{{ missing + 1 }}
{{ d.zz.yy }}
{{ n.x }}|
{{ n.x.y }}
{{ missing() }}
{{ x() }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ n + 'a' }}
{{ [1] + (2,) }}
{{ 'a' < 1 }}
{{ 1 in 5 }}
{{ 1 in 'abc' }}
{{ -'a' }}
{{ {[1]: 2} }}
{{ d[[1]] }}|
{{ x.real2 }}|{{ l.foo }}|{{ s.foo }}|{{ x[0] }}|{{ x['a'] }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.capitalize() }} {{ s.swapcase() }} {{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.capitalize() }} {{ u.swapcase() }}
[{{ ws.strip() }}] [{{ ws.lstrip() }}] [{{ ws.rstrip() }}] {{ 'xxaxx'.strip('x') }} {{ 'abcba'.lstrip('ab') }} {{ 'abcba'.rstrip('ab') }} {{ 'éaé'.strip('é') }} {{ 'xyx'.strip('') }} [{{ ' a '.strip(none) }}]
{{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ ' a  b c '.split(none, 1) }} {{ ''.split(',') }} {{ ''.split() }} {{ 'a--b--c'.split('--')[-1] }} {{ 'abc'.split('x') }} {{ 'a,b,c'.split(sep=',', maxsplit=1) }} {{ ws.split() }}
{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ 'a,b,c'.rsplit(',') }} {{ ' a b '.rsplit() }} {{ 'a,b'.rsplit(',', 0) }} {{ 'a,b'.split(',', 0) }}
{{ 'a'.split('') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ 'a\n'.splitlines() }} {{ ''.splitlines() }} {{ '\n\n'.splitlines() }} {{ 'a\x0bb\x1cc\x85d'.splitlines() }}
{{ s.startswith('Hello') }} {{ s.endswith('World') }} {{ s.startswith(('a', 'H')) }} {{ s.startswith('World', 6) }} {{ s.endswith('lo', 0, 5) }} {{ s.startswith('') }} {{ s.startswith('x', 99) }}
{{ s.replace('o', '0') }} {{ s.replace('o', '0', 1) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ 'aaa'.replace('aa', 'b') }} {{ s.replace('zz', 'y') }} {{ ''.replace('', 'x') }}
{{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('zz') }} {{ s.find('o', 5) }} {{ u.find('日') }} {{ s.count('l') }} {{ s.count('') }} {{ s.index('W') }} {{ s.find('', 99) }} {{ s.find('o', -4) }} {{ s.count('o', 5) }} {{ u.rfind('ß') }}
{{ s.index('zz') }}
{{ ','.join(['a', 'b']) }} {{ ''.join([]) }}| {{ '-'.join('abc') }} {{ ', '.join(d) }}
{{ ','.join([1, 2]) }}
{{ 'abc'.isalpha() }} {{ 'ab1'.isalnum() }} {{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '½'.isnumeric() }} {{ ' \n'.isspace() }} {{ ''.isspace() }} {{ 'aB'.islower() }} {{ 'AB1'.isupper() }} {{ 'Ab Cd'.istitle() }} {{ 'é'.isascii() }} {{ ''.isascii() }} {{ 'a\n'.isprintable() }} {{ ''.isalpha() }} {{ '日本'.isalpha() }}
{{ 'ab'.center(6) }}| {{ 'ab'.center(7, '*') }} {{ 'abc'.center(6, '*') }} {{ 'ab'.ljust(4, '.') }} {{ 'ab'.rjust(4) }} {{ '42'.zfill(5) }} {{ '-42'.zfill(5) }} {{ 'abc'.center(1) }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }} {{ 'abc'.rpartition('=') }} {{ 'ß'.casefold() }}
{{ '%s is %d years' % ('Ann', 30) }} {{ '%5.2f|%-5s|%05d|%x|%+d|%%' % (3.14159, 'ab', 42, 255, 7) }} {{ '%s' % 'one' }} {{ '%r' % 'q' }} {{ '%(a)s-%(b)d' % {'a': 1, 'b': 2} }} {{ '%s' % [1, 2] }} {{ '%5s|%.2s' % ('é', 'abc') }} {{ '%d' % 3.99 }} {{ '%e' % 12345.678 }} {{ '%g' % 0.0001 }} {{ '%c' % 65 }} {{ '%X' % 255 }}
{{ '%d' % 'a' }}
{{ '%s %s' % 'a' }}
{{ '%s' % (1, 2) }}
{{ '{} {}'.format(1, 'b') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{name}!'.format(name='Ann') }} {{ '{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}|{:x}'.format('a', 'b', 'c', 42, 3.14159, 1234567, 255) }} {{ '{{}}{}'.format(1) }} {{ '{0[a]} {1[0]}'.format({'a': 1}, [2]) }} {{ '{!r}'.format('q') }} {{ '{:*^7}'.format('mid') }} {{ '{:+d} {:e} {:%}'.format(5, 1234.5, 0.25) }}
{{ '{}'.format() }}
{{ '{0.__class__}'.format(1) }}
{{ s | upper }} {{ s | lower }} {{ s | title }} {{ 'foo-bar (baz) it\'s' | title }} {{ s | capitalize }} {{ 5 | upper }} {{ none | lower }} {{ missing | upper }}|
[{{ ws | trim }}] {{ 'xxaxx' | trim('x') }} [{{ missing | trim }}] {{ 5 | trim }}
{{ s | length }} {{ l | count }} {{ d | length }} {{ u | length }} {{ missing | length }} {{ range(5) | length }}
{{ 5 | length }}
{{ l | map('string') | length }}
{{ l | join }} {{ l | join(', ') }} {{ d | join('-') }} {{ people | join(', ', attribute='name') }} {{ [1, none, 'a'] | join('|') }} {{ 'abc' | join('.') }} {{ missing | join }}|
{{ l | first }} {{ l | last }} {{ s | first }} {{ s | last }} {{ empty | first }}| {{ d | first }} {{ d | last }} {{ empty | last }}|
{{ l | map('string') | last }}
{{ l | sort }} {{ names | sort }} {{ names | sort(case_sensitive=true) }} {{ l | sort(reverse=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ people | sort(attribute='age,name', reverse=true) | map(attribute='name') | join(',') }} {{ s | sort | join }}
{{ [1, 'a'] | sort }}
{{ l | reverse | list }} {{ s | reverse }} {{ d | reverse | list }} {{ u | reverse }}
{{ l | min }} {{ l | max }} {{ names | min }} {{ names | max }} {{ empty | min }}| {{ people | max(attribute='age') }} {{ names | max(case_sensitive=true) }}
{{ l | sum }} {{ [1, 2.5] | sum }} {{ people | sum(attribute='age') }} {{ [] | sum }} {{ l | sum(start=10) }} {{ nested | sum(start=[]) }}
{{ names | unique | list }} {{ [1, 1.0, true, 2] | unique | list }} {{ names | unique(case_sensitive=true) | join(' ') }}
{{ d | dictsort }} {{ d | dictsort(true) }} {{ d | dictsort(by='value') }} {{ d | dictsort(reverse=true) }} {{ d | items | list }} {{ missing | items | list }}
{{ l | items | list }}
{{ names | map('upper') | join(',') }} {{ people | map(attribute='name') | list }} {{ people | map(attribute='tag.id', default=0) | list }} {{ names | map('replace', 'a', 'A') | list }} {{ nested | map(attribute=0) | list }} {{ nested | map('sum') | list }} {{ missing | map('upper') | list }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [1, 2, 3] | reject('eq', 2) | list }} {{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ people | rejectattr('tag') | map(attribute='name') | list }} {{ people | selectattr('tag') | list | length }} {{ [1, 5] | select('>', 2) | list }} {{ names | select('in', ['bob']) | list }} {{ [1, 'a', none] | reject('none') | list }}
{{ 'empty selection is true' if [] | select('odd') else 'false' }}
{{ l | batch(2) | list }} {{ l | batch(2, 'x') | list }} {{ [1, 2, 3, 4, 5] | slice(3) | list }} {{ [1, 2, 3, 4] | slice(3, 'x') | list }}
{{ missing | default('d') }} {{ e | default('d') }}| {{ e | default('d', true) }} {{ n | default('d') }} {{ x | d(1) }} {{ missing | default }}| {{ missing | default(boolean=true, default_value=3) }} {{ d.zz | default({}) }}
{{ '42' | int }} {{ ' 42 ' | int }} {{ '4.9' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 4.9 | int }} {{ -4.9 | int }} {{ '0x1f' | int(0, 16) }} {{ '101' | int(base=2) }} {{ true | int }} {{ none | int }} {{ '1_000' | int }} {{ [] | int(3) }} {{ '1e3' | int }}
{{ '3.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ '1e5' | float }} {{ 'inf' | float }} {{ 'x' | float(1.5) }} {{ '.5' | float }} {{ '5.' | float }} {{ 'nan' | float }} {{ none | float }}
{{ 5 | string + 'a' }} {{ none | string }} {{ l | string }} {{ missing | string }}| {{ 1.0 | string }}
{{ 'abc' | list }} {{ d | list }} {{ range(3) | list }} {{ (1, 2) | list }} {{ missing | list }}
{{ -5 | abs }} {{ (-5) | abs }} {{ (-2.5) | abs }} {{ true | abs }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.567 | round(2) }} {{ 2.675 | round(2) }} {{ 42.1 | round(method='ceil') }} {{ 42.9 | round(0, 'floor') }} {{ 42 | round }} {{ 1234 | round(-2) }} {{ 1250 | round(-2) }} {{ 2.55 | round(1, 'floor') }} {{ 1234.5 | round(-2) }} {{ 0.5 | round }} {{ -2.5 | round }}
{{ 2.5 | round(method='up') }}
{{ s | replace('o', '0') }} {{ s | replace('o', '0', 1) }} {{ 515 | replace(5, 'x') }} {{ 'aaa' | replace('a', 'b', count=2) }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb\n\nc' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb' | indent('> ') }} {{ 'a\n' | indent }}| {{ '' | indent(first=true) }}|
{{ html | escape }} {{ html | e }} {{ html | safe }} {{ html | escape | escape }} {{ html | forceescape | forceescape }} {{ html | safe + '<' }} {{ '<' + (html | safe) }} {{ '<' ~ (html | safe) }} {{ html | escape | upper }}
{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, false, '...', 0) }} {{ 'foobarbazqux' | truncate(6, leeway=0) }}
{{ 'ab' | center(6) }}| {{ '%s-%s' | format(1, 2) }} {{ '%(a)s' | format(a=1) }}
{{ mixed | tojson }} {{ 'é<>&"\'' | tojson }} {{ [1, 2.0, none, true] | tojson }} {{ {} | tojson }} {{ [] | tojson }} {{ (1, 2) | tojson }} {{ 1e20 | tojson }} {{ '\u007f\u2028' | tojson }}
{{ mixed | tojson(indent=2) }}
{{ mixed | tojson(ensure_ascii=true) }} {{ d | tojson(sort_keys=true) }} {{ d | tojson(separators=(',', ':')) }} {{ d | tojson(indent=1, separators=(', ', ' = ')) }} {{ l | tojson(indent='--') }} {{ {} | tojson(indent=2) }} {{ [[], {}] | tojson(indent=2) }} {{ d | tojson(false, 0) }}
{{ {1: 'a', none: 'b', true: 'c', 1.5: 'd'} | tojson }} {{ 'nan' | float | tojson }} {{ '-inf' | float | tojson }} {{ '\u007f😀' | tojson(ensure_ascii=true) }}
{{ missing | tojson }}
{{ [missing] | tojson }}
{{ d.items() | tojson }}
{{ d.items() | list | tojson }}
{{ d | tojson(unknown=1) }}
{% if x > 3 %}big{% elif x > 1 %}mid{% else %}small{% endif %} {% if f %}a{% elif e %}b{% else %}c{% endif %} {% if f %}nothing{% endif %}|{% if l, %}tuple{% endif %}
{% for i in l %}{{ i }},{% endfor %} {% for i in empty %}x{% else %}none{% endfor %} {% for c in 'aé日' %}[{{ c }}]{% endfor %} {% for k in d %}{{ k }}{% endfor %} {% for k, v in d.items() %}{{ k }}={{ v }} {% endfor %}{% for i in missing %}x{% else %}undefined{% endfor %}
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for i in l %}{{ loop.previtem | default('-') }}<{{ i }}>{{ loop.nextitem | default('-') }} {% endfor %}
{% for i in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 2) }} {% endfor %}
{% for i in range(6) if i is odd %}{{ i }}:{{ loop.index }}/{{ loop.length }} {% endfor %}{% for i in range(3) if i > 5 %}x{% else %}none{% endfor %}
{% set ns = namespace(go=true) %}{% for i in range(6) if ns.go %}{{ i }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}
{% set ns = namespace(go=true) %}{% for i in range(6) if ns.go %}{{ i }}{{ loop.last }}{% if i == 2 %}{% set ns.go = false %}{% endif %}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for a, b in nested %}{{ a }}-{{ b }} {% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for (a, b) in nested %}{{ a + b }} {% endfor %}
{% for a, b in l %}{% endfor %}
{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in none %}{% endfor %}
{% for i in l %}{% set x = i %}{% endfor %}{{ x }} {% for i in l %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}
{% set q = 1 %}{% if true %}{% set q = 2 %}{% endif %}{{ q }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set p = 1, 2 %}{{ p }} {% set (m, k) = [3, 4] %}{{ m }}{{ k }}
{% set ns = namespace(count=0, name='n') %}{% for i in l %}{% set ns.count = ns.count + i %}{% endfor %}{{ ns.count }}{{ ns.name }}{{ ns.zz is defined }} {% set ns.new = [1] %}{{ ns.new }}{{ ns['count'] }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}
{% set ns = namespace(_x=1) %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set d.x = 1 %}
{% set undefinedns.x = 1 %}
{% set a, b = 1, 2, 3 %}
{% set block %}some {{ x }} text{% endset %}{{ block }}{{ block | length }} {% set up | upper | replace('O', '0') %}hello{% endset %}{{ up }} {% set inner %}{% set hidden = 1 %}{% endset %}{{ hidden is defined }}
{% filter upper %}abc {{ x }}{% endfilter %} {% filter replace('a', 'b') | upper %}banana{% endfilter %} {% filter trim %}  x  {% endfilter %}|
{% with a = 1, b = x %}{{ a }}{{ b }}{% endwith %}{{ a is defined }} {% with %}{% set c = 1 %}{{ c }}{% endwith %}{% with x = 1, z = x %}{{ z }}{% endwith %}
{% macro m(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(a=4, c=5) }}{{ m(1, c='k') }}{{ m() }}{{ m.name }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }} {% macro k(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ k(1, 2, 3, z=4) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}
{% macro fact(k) %}{{ 1 if k < 2 else k * (fact(k - 1) | int) }}{% endmacro %}{{ fact(10) }}
{% macro outer() %}{{ later }}{% endmacro %}{% set later = 'set later' %}{{ outer() }} {% set v = 1 %}{% macro reads() %}{{ v }}{% endmacro %}{% set v = 2 %}{{ reads() }}
{% macro box(title) %}[{{ title }}: {{ caller() }}]{% endmacro %}{% call box('T') %}body {{ x }}{% endcall %} {% macro each(items) %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) each(l) %}<{{ i }}>{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro m() %}  spaced  {% endmacro %}[{{ m() }}][{{ m() | trim }}][{{ m() is string }}]
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ range(3) }} {{ range(1, 9, 3) }}
{{ range(0, 5, 0) }}
{{ range(1000000) | length }}
{{ dict(a=1, b=2) }} {{ dict([('a', 1)]) }} {{ dict({'x': 1}, y=2) }} {{ dict() }} {{ dict(d) == d }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }} {{ c.reset() }}{{ c.current }}
{{ raise_exception('stop: ' ~ x) }}
{% if f %}{{ raise_exception('never') }}{% endif %}fine
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S') }} {{ strftime_now('%A, %B %-d, %y %I:%M %p %j') }} {{ strftime_now('%a %e %U %W %w %u %%') }} {{ strftime_now('%D %F %T %R %c %x %X') }} {{ strftime_now('%C %h %k %l %P %r %n%t|') }}
{% raw %}{{ not }} {% parsed %} {# here #}{% endraw %} {%- raw -%}  {{ x }}  {%- endraw -%}  |
{# comment #}a{# multi
line #}b {#- strip -#} c
  {% if t %}
  indented
  {% endif %}
end
  {%+ if t %}kept{% endif %}|
a {%- if t %} b {%- endif %} c
a {{- x -}} b {{ x -}}
  c
{{ x }}
line {{ x }}

after
{% if t +%}
  plus
{% endif %}
	{% if t %}tab{% endif %}   
text {% if t %}  inline {% endif %}  
{% for i in l -%}
  {{ i }}
{%- endfor %}
{% for i in l %}
{{ i }}
{% endfor %}

   {# comment alone #}
   x
   {# a #} {# b #}
   {{ x }}   {% if t %}   {% endif %}
{%- set a = 1 -%}   {{ a }}   {%- set b = 2 -%}
trailing newline

{{ '{{' }} {{ "}}" }} {{ '%}' }} {{ {'a': {'b': 1}} }}
{{- ' a' }} { { } } {% set b = {'k': {'z': 1}} %}{{ b }}
{{ x if t else
   y }}{{ [1,
 2] }}
{{ (1, 2) | length }}{{ [1, 2,] }}{{ {'a': 1,} }}{{ (1,) | length }}
{{ a.b.c }}
{{ loop is defined }} {{ loop }}
{% set loop_text = 'x' %}{{ loop_text }}
{% print x, y %}
{{ x | unknown }}
{{ x is unknown }}
{% unknown %}
{% if x %}
{% endif %}
{% for x in l %}{% endif %}
{{ x
{% set a = %}
{{ 1 2 }}
{{ (1 }}
{{ 'open }}
{# open
{% raw %}{{ x }}
{{ x | }}
{{ x. }}
{{ x[ }}
{% break %}
{{ }}
{% macro m(a=1, b) %}{% endmacro %}
{% set 1 = 2 %}
{% set none = 2 %}
{{ f(a=1, 2) }}
{% include 'x' %}
{% extends 'x' %}
{{ x ! y }}
{{ ] }}
{% for i in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% generation %}a{{ x }}{% set hidden = 1 %}{% endgeneration %}{{ hidden is defined }}
{{ namespace(a=1).a }}{{ [namespace].0 is callable }}{{ (range)(2) | list }}{{ ('a' ~ 'b').upper() }}{{ 'x'.join(['a', 'b']) | upper }}{{ s.split()[0].lower() }}
{{ [1, 2, 3][1:] | first }}{{ d.items() | first }}{{ (d.items() | list)[0][1] }}{{ s | upper | lower | title }}{{ -1 | abs }}{{ 2 ** 3 | int }}{{ 'a' if 1 in [1] and not 2 in [1] }}
{{ m(*[1, 2]) if m is defined else 'no m' }}{% macro m(a, b, c=0) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(1, **{'b': 2, 'c': 3}) }}{{ m(*[1], **{'b': 9}) }}
{{ '' ~ true ~ 1.0 ~ (1, 'a') ~ {'k': none} }}{{ ['é', '\n', '\\'] }}{{ {'a b': "c'd"} }}
{{ x ~ 'a' if t else 'b' }}{{ 'a' ~ ('b' if t) }}{{ not t or t }}{{ (not f) and t }}{{ 1 if true and not false }}{{ 3 - 2 - 1 }}{{ 2 * (3 + 4) }}{{ 8 / 2 / 2 }}
{{ big }} {{ big + 1 }} {{ big / 3 }} {{ -big // 7 }} {{ 2 ** 62 }} {{ big == big + 0.0 }}
{{ "é" == "e\u0301" }} {{ "e\u0301" | length }} {{ "👩‍👩‍👧" | length }} {{ "👩‍👩‍👧"[0] }} {{ u.split('ß') | length }}
{{ 'ΑΣ'.lower() }} {{ 'ΣΑΣ Σ ΑΣΒ'.lower() }} {{ 'ŉ ﬁ'.upper() }} {{ 'ﬁ'.title() }} {{ 'they\'re'.title() }} {{ 'İ'.lower() | length }}
{% set x = 1 %}{% macro show() %}{{ x }}{% endmacro %}{% for x in [7] %}{{ show() }}{{ x }}{% endfor %}
{% for i in [1] %}{% macro inner() %}{{ i }}{% endmacro %}{{ inner() }}{% endfor %}{{ inner is defined }}
{% set items = [] %}{% for i in l %}{% set items = items + [i] %}{% endfor %}{{ items }} {% set ns = namespace(items=[]) %}{% for i in l %}{% set ns.items = ns.items + [i * 2] %}{% endfor %}{{ ns.items | join('+') }}
{% if missing %}a{% else %}b{% endif %}{% if missing is defined and missing.x %}a{% endif %}{% if not missing %}c{% endif %}{{ missing == missing2 }}{{ missing == none }}{{ missing == '' }}
{% if d.zz and d.zz.yy %}a{% else %}b{% endif %}{% if 'zz' in d and d['zz'] %}a{% endif %}{% if people[2].tag is not defined %}untagged{% endif %}
{% if s == 'Hello World' and l | length == 3 and l[0] == 3 %}ok{% endif %}{% if x in [1, 5] or false %}in{% endif %}{% if not l == [3, 1, 2] %}no{% endif %}
{{ s|upper~'!'~s|length }}{{ x*2|int }}{{ -x|abs }}{{ (-x)|abs }}{{ not x|int }}{{ 1 in [2]|map('int') }}
{% set a = 'x' if t else 'y' %}{{ a }}{% set b = [i for i in l] %}
{{ l | select('equalto', 1) | first }}{{ people | map(attribute='name') | map('upper') | map('first') | join }}{{ people | selectattr('name', 'in', ['Ann', 'Cy']) | sum(attribute='age') }}
{{ [[1, 2], [3]] | sum(start=[]) | join }}{{ ['b', 'a'] | sort | first }}{{ d | dictsort | map('first') | join(',') }}{{ 'a' in 'abc' | list }}
{% set it = l | map('string') %}{{ it | join }}{{ it | join }}| {% set it = l | map('string') %}{{ it | first }}{{ it | list }}
{{ (l | select)[0] is defined }} {{ l | reverse is sequence }} {{ l | map('string') is iterable }} {{ d.items() is sequence }} {{ (d.items())[0] is defined }}
{{ joiner is callable }} {{ s.upper is callable }} {{ s.upper is defined }} {{ d.items is callable }} {{ d['items'] is callable }} {{ {'upper': 1}.upper }} {{ {'get': 1}['get'] }}
{{ lines | length }} {{ lines.split('\n') | length }} {{ lines | replace('\r\n', '|') }}
{{ '<think>a</think>b'.split('</think>')[-1].lstrip('\n') }} {{ '<think>\na\n</think>\n\nb'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }} {{ ('a' ~ '</think>' ~ 'b').split('</think>', 1)[1] }}
"""

# Several lines each; separated by lines of dashes.
BLOCKS = """
  {% if t %}
  indented
  {% endif %}
end
-----
<ul>
  {% for i in l %}
    <li>{{ i }}</li>
  {% endfor %}
</ul>
-----
<ul>
  {%- for i in l %}
    <li>{{ i }}</li>
  {%- endfor %}
</ul>
-----
<ul>
  {% for i in l -%}
    <li>{{ i }}</li>
  {% endfor -%}
</ul>
-----
{%+ if t +%}

  x
  {%+ endif +%}
y
-----
a
    {# comment #}
b
  {#- comment -#}
c {# inline #} d
   {#+ kept #}
e
-----
  {{ x }}
   {{- x }}
{{ x -}}

  z
-----
{% set a %}
  line
    {% if t %}
    inner
    {% endif %}
{% endset %}
[{{ a }}]
-----
{% macro m(a) %}
  <{{ a }}>
{% endmacro %}
{{ m(1) }}
{{ m(2) -}}
.
-----
{% raw %}
  {{ x }}
   {% if %}
{% endraw %}
after
-----
{% raw -%}
  kept
{%- endraw +%}

after
-----
{% if t %}{% if t %}

nested
{% endif %}
  {% endif %}

tail


-----
\t{% if t %}
\tx\u00a0
\t {%- endif %}
-----
one\r\ntwo {{ x }}\r\n  {% if t %}\r\nthree\r\n  {% endif %}\r\nfour\rfive\r\n
-----
{% generation %}
  said
{% endgeneration %}
not
-----
{% for i in l %}{{ i }}
{% if not loop.last %}
,
{% endif %}
{% endfor %}
-----
{%- for i in l -%}
  {%- if i == 1 -%}
    {%- continue -%}
  {%- endif -%}
  {{ i }}
{% endfor -%}
end
-----
{{ x }}{{ y }}
{{ x }}

{{ y }}
-----
{% filter upper %}
  abc
{% endfilter %}
-----
{{ 'a
b' }}
-----
{% set x = [
  1,
  2,
] %}
{{ x }}
-----
x {%- if t -%} y {%- else -%} z {%- endif -%} w
-----
   {% if t %} a {% endif %}   
  b
"""
