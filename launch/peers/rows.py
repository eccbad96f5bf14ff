"""Rows for the comparison, the same for both sides."""
import json
import random

WORDS = ("river stone window garden letter engine silver morning paper bridge winter music signal forest "
         "market copper island number pattern candle harbour village machine story colour summer mirror "
         "measure valley thunder ladder compass feather kitchen journey station picture shadow").split()


def generated_text(seed):
    """Endless sentences of common words."""
    source = random.Random(seed)
    while True:
        words = source.choices(WORDS, k=source.randint(6, 18))
        yield " ".join(words).capitalize() + f" {source.randint(1, 999)}. "


def generated_chats(count, seed):
    """Questions on sums with the steps of their answers, about as long as school problems."""
    source = random.Random(seed)
    for _ in range(count):
        things, people = source.choice(WORDS), source.sample(WORDS, 3)
        numbers = [source.randint(2, 90) for _ in range(source.randint(4, 9))]
        story = " ".join(f"Then a {source.choice(people)} brings {n} more, {source.choice(WORDS)} and all." for n in numbers[1:])
        total, steps = numbers[0], []
        for n in numbers[1:]:
            steps.append(f"{total} and {n} make {total + n}.")
            total += n
        yield {"messages": [
            {"role": "user", "content": f"There are {numbers[0]} pieces of {things}. {story} How many are there now?"},
            {"role": "assistant", "content": " ".join(steps) + f" The answer is {total}."}]}


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def as_chat(row):
    if "messages" in row:
        return {"messages": row["messages"]}
    return {"messages": [{"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}]}


def as_text(row):
    if "text" in row:
        return row["text"] + "\n"
    return "".join(f"{m['role']}: {m['content']}\n" for m in as_chat(row)["messages"]) + "\n"


def packed(tokenizer, length, count, path, seed=17):
    """`count` text rows that are `length` tokens each with the token that ends them, cut from a stream of text."""
    texts = (as_text(row) for row in read(path)) if path else generated_text(seed)
    text, rows = "", []
    for more in texts:
        text += more
        if len(text) < 8 * length:  # far more than a row's tokens, so that its last one is whole
            continue
        row = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)[:length - 1])
        if text.startswith(row) and len(tokenizer.encode(row, add_special_tokens=False)) == length - 1:
            rows.append({"text": row})
            if len(rows) == count:
                return rows
            text = text[len(row):]
        else:
            text = text[1:]
    raise SystemExit(f"{path} has text for {len(rows)} rows of {length} tokens; {count} are needed: fewer --steps")


def chats(tokenizer, count, path, system_tokens, seed=17):
    """`count` chats; with `system_tokens` all begin with the same system prompt of about so many tokens."""
    rows = [as_chat(row) for row in read(path)] if path else list(generated_chats(count, seed))
    if len(rows) < count:
        raise SystemExit(f"{path} has {len(rows)} rows; {count} are needed: fewer --steps")
    random.Random(seed).shuffle(rows)
    rows = rows[:count]
    if system_tokens:
        prompt, sentences = "You are a careful assistant.", generated_text(seed)
        while len(tokenizer.encode(prompt)) < system_tokens:
            prompt += " " + next(sentences).strip()
        for row in rows:
            row["messages"].insert(0, {"role": "system", "content": prompt})
    return rows
