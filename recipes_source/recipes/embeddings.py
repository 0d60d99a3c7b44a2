# /// script
# requires-python = ">=3.11"
# dependencies = ["torch"]
# [tool.recipe]
# tags = ["Basics", "Sequences"]
# after = ["defining_a_neural_network"]
# timeout = 60
# searched_as = [
#   "nn.Embedding", "word embedding", "word2vec", "GloVe", "fastText", "lookup table",
#   "vocabulary", "tokens to vectors", "categorical features", "entity embedding",
#   "load pretrained embeddings", "weight tying", "share weights", "from_pretrained",
#   "embedding does not train", "padding_idx is not zero", "nn.EmbeddingBag",
# ]
# ///
"""
Turn ids into vectors with an embedding
=======================================

Look words up in a table, start from given vectors, and keep padding at zero.

Why it matters: a table that ``from_pretrained`` makes of given vectors does not train
unless you ask for it. And ``padding_idx`` does not make the vector of padding zero in
this table. Neither raises an error.
"""

# %%
# A table with one row for each id
# --------------------------------
#
# Give each word a number, and two more numbers to padding and to unknown words. The
# embedding is a matrix that learns: id 3 takes row 3. A linear layer on one-hot vectors
# would do the same, with far more work.

import torch
from torch import nn

torch.manual_seed(0)
sentences = ["the cat sat", "the dog sat on the mat"]
words = sorted({word for sentence in sentences for word in sentence.split()})
ids = {word: i for i, word in enumerate(["<pad>", "<unk>", *words])}
rows = [torch.tensor([ids.get(w, 1) for w in s.split()]) for s in sentences]
tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # pads with 0
print(tokens)

table = nn.Embedding(len(ids), 4)
one_hot = nn.functional.one_hot(tokens, len(ids)).float()
print(tuple(tokens.shape), "becomes", tuple(table(tokens).shape))
torch.testing.assert_close(table(tokens), one_hot @ table.weight)

# %%
# See the problem
# ---------------
#
# The vectors come from elsewhere, for instance from a file. Here they are drawn.
# :meth:`~torch.nn.Embedding.from_pretrained` makes a table of them. The loss adds up
# all numbers, so a row should get a gradient of 1 for each time that its word is read.

given = torch.randn(len(ids), 4)


def gradient(table):
    if not table.weight.requires_grad:
        return torch.zeros(len(ids))
    table.zero_grad()
    table(tokens).sum().backward()
    return table.weight.grad[:, 0]


naive = nn.Embedding.from_pretrained(given, padding_idx=0)
print(f"trains: {naive.weight.requires_grad}, zero: {not naive.weight[0].any()}")
assert not gradient(naive).any() and naive.weight[0].any()

# %%
# The idea: say freeze=False, and zero the row
# --------------------------------------------
#
# ``padding_idx`` has two effects. The row gets no gradient. And a *new* table starts
# with zeros there. ``from_pretrained`` takes the row as it is, and an initialization
# that you call later fills it. Zero the row after either. ``clone`` matters, too:
# without it, training would write into ``given``.

vectors = given.clone()
vectors[0] = 0.0
table = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
gradients = gradient(table).tolist()
for word, i in ids.items():
    count = (tokens == i).sum().item()
    print(f"{word:5} {count} times in the batch, gradient {gradients[i]:.0f}")
    assert gradients[i] == (0 if word == "<pad>" else count)
assert not table.weight[0].any()

# %%
# When it is not so: zero is not absent
# -------------------------------------
#
# A mean over the sentence still divides by the padded length: the first sentence has
# three words and three zeros. :class:`torch.nn.EmbeddingBag` looks up and averages in
# one go, and leaves ``padding_idx`` out of the count. Its ``from_pretrained`` freezes,
# too, as here: pass ``freeze=False`` to train it.

alone = table(rows[0]).mean(dim=0)
padded = table(tokens).mean(dim=1)[0]
bag = nn.EmbeddingBag.from_pretrained(vectors, mode="mean", padding_idx=0)(tokens)[0]
for name, mean in {"mean": padded, "EmbeddingBag": bag}.items():
    print(f"{name:12} {mean.norm() / alone.norm():.2f} times as long as the right one")
torch.testing.assert_close(padded, alone / 2)
torch.testing.assert_close(bag, alone)

# %%
# When it is not so: a row without a gradient can move
# ----------------------------------------------------
#
# The first step reads the first sentence, the second step reads the second. "cat" is
# only in the first, and "<unk>" in neither. Does the *second* step move their rows?


def second_step_moves(optimizer_class, **options):
    table = nn.Embedding.from_pretrained(vectors.clone(), freeze=False, padding_idx=0)
    optimizer = optimizer_class(table.parameters(), lr=0.1, **options)
    for sentence in rows:
        before = table.weight.detach().clone()
        optimizer.zero_grad()
        table(sentence).sum().backward()
        optimizer.step()
    moved = (table.weight != before).any(dim=1)
    return [moved[ids[word]].item() for word in ("cat", "<unk>", "<pad>")]


# %%
# With momentum, as in Adam, the row of a word keeps moving after the steps that read
# the word. Weight decay, which AdamW has by default, shrinks words that are never read:
# give the table no decay. A row of zeros without a gradient stays zero with all four.

print("moved by step 2: cat, <unk>, <pad>")
for optimizer_class, options, expected in (
    (torch.optim.SGD, {}, [False, False, False]),
    (torch.optim.SGD, {"momentum": 0.9}, [True, False, False]),
    (torch.optim.Adam, {}, [True, False, False]),
    (torch.optim.AdamW, {}, [True, True, False]),
):
    moved = second_step_moves(optimizer_class, **options)
    print(f"{optimizer_class.__name__:5} {options} {moved}")
    assert moved == expected

# %%
# In your project
# ---------------
#
# ``found`` is a dict from words to vectors. A line of a GloVe file is a word and, say,
# 300 numbers: ``word, *numbers = line.rsplit(" ", 300)``, then ``float`` of each. Split
# from the right, as some words contain spaces. Open the file with ``encoding="utf-8"``,
# which is not the default on every system.
#
# Words that the file lacks start small and random. So count the words of ``ids`` that
# the file has: if the file is in lower case, it lacks "The", and no message says so.
# "<unk>" learns only if the training texts have unknown words: count rare words as
# "<unk>". Save ``ids`` with the weights, because other texts give other numbers.
#
# The output layer of a language model can share the table. Then both uses train one
# tensor. Other layers may need decay: see
# :ref:`sphx_glr_recipes_recipes_parameter_groups.py`.

found = {"cat": [0.1, 0.9, 0.0, 0.2], "mat": [0.7, 0.1, 0.3, 0.0], "tree": [0.5] * 4}
device = torch.accelerator.current_accelerator(check_available=True) or "cpu"
vectors = 0.1 * torch.randn(len(ids), 4)
for word in ids.keys() & found.keys():
    vectors[ids[word]] = torch.tensor(found[word])
vectors[0] = 0.0  # new: padding
table = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)  # new
head = nn.Linear(4, len(ids), bias=False)
head.weight = table.weight  # optional: one tensor for input and output
model = nn.Sequential(table, head).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)

# %%
# Check
# -----
#
# The model has one parameter, also after the move to ``device``. But with a shared
# table, the output layer sends the padding row a gradient, which ``padding_idx`` does
# not stop. So the padding row does not stay zero: mask padding.

logits = model(tokens[:, :-1].to(device))
targets = tokens[:, 1:].to(device)  # each word is to predict the next one
nn.functional.cross_entropy(logits.mT, targets, ignore_index=0).backward()
print("parameters:", len(list(model.parameters())), "logits:", tuple(logits.shape))
print("padding row gets a gradient:", bool(table.weight.grad[0].any()))
assert len(list(model.parameters())) == 1 and table.weight.grad[0].any()
torch.testing.assert_close(table.weight[ids["cat"]].cpu(), torch.tensor(found["cat"]))

# %%
# Learn more
# ----------
#
# - An id that is too large: :ref:`sphx_glr_recipes_recipes_error_index_out_of_range.py`
# - Mask padding: :ref:`sphx_glr_recipes_recipes_mask_padding_in_attention_and_loss.py`
# - A group without decay: :ref:`sphx_glr_recipes_recipes_parameter_groups.py`
