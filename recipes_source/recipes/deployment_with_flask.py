# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "flask", "werkzeug", "pillow", "matplotlib"]
# [tool.recipe]
# tags = ["Deployment"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 90
# ///
"""
Deploying with Flask
====================

Serve a model over HTTP, and answer a bad request with a reason instead of a crash.

Why it matters: a server is sent more than images. It gets text files, half an upload, a
gigabyte, or a small file that unpacks to a huge picture. A handler that trusts its input
answers with "internal server error" at best, and runs out of memory at worst.
"""

# %%
# A model to serve
# ----------------
#
# Three kinds of drawn pictures of 32 × 32 pixels, and a small network that tells them
# apart. It ends in ``eval()``, as any model that serves should.

import torch
from torch import nn

torch.manual_seed(0)
LABELS = ["disc", "square", "stripes"]
rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")


def draw(label):
    y, x = torch.randint(10, 22, (2,))
    disc = (rows - y) ** 2 + (columns - x) ** 2 < 64
    square = torch.maximum((rows - y).abs(), (columns - x).abs()) < 8
    stripes = (rows + x) % 8 < 4
    shape = {"disc": disc, "square": square, "stripes": stripes}[label]
    return (200 * shape + torch.randint(40, (3, 32, 32))).to(torch.uint8)


# %%

torch.set_num_threads(1)  # enough for a small model, and the digits repeat
pictures = torch.stack([draw(label) for _ in range(60) for label in LABELS])
inputs, targets = pictures / 255, torch.arange(len(pictures)) % 3
layers = [nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 5, stride=2)]
layers += [nn.ReLU(), nn.Flatten(), nn.Linear(400, 3)]
model, loss_fn = nn.Sequential(*layers), nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(40):
    optimizer.zero_grad()
    loss_fn(model(inputs), targets).backward()
    optimizer.step()
_ = model.eval()
print("right:", (model(inputs).argmax(dim=1) == targets).sum().item(), "of", len(inputs))

# %%
# A handler that trusts
# ---------------------
#
# ``POST /naive`` decodes the body, whatever it is. Werkzeug's server, which comes with
# Flask, listens on port 0: the system picks a free port. It is made for development; in
# production give the same ``app`` to a WSGI server. The log stays silent here.

import io
import json
import logging
import threading
import urllib.error
import urllib.request

from flask import Flask, abort, request
from PIL import Image
from torchvision.transforms import v2
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

app = Flask("shapes")
logging.getLogger("werkzeug").setLevel(logging.ERROR)
app.logger.setLevel(logging.CRITICAL)

# %%

steps = [v2.RGB(), v2.Resize((32, 32)), v2.ToImage()]
prepare = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True)])


def answer(image):
    with torch.inference_mode():
        scores = model(prepare(image).unsqueeze(0)).softmax(dim=1)[0]
    return {"label": LABELS[scores.argmax()], "probabilities": scores.tolist()}


@app.post("/naive")
def naive():
    return answer(Image.open(io.BytesIO(request.get_data())))


# %%
# A handler that checks
# ---------------------
#
# Four lines of defence: Flask refuses a body longer than ``MAX_CONTENT_LENGTH``; only
# two formats are decoded; the picture's size is read from its header before its pixels
# are; and whatever the decoder raises becomes a 400, "bad request". Errors are JSON too.

app.config["MAX_CONTENT_LENGTH"] = 64 * 1024


@app.errorhandler(HTTPException)
def as_json(error):
    return {"error": error.description}, error.code


@app.post("/predict")
def predict():
    body = request.get_data()
    try:
        image = Image.open(io.BytesIO(body), formats=["PNG", "JPEG"])
        if image.width * image.height > 2**20:
            raise ValueError(f"{image.width} x {image.height} pixels")
        return answer(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        abort(400, f"no usable image ({type(error).__name__})")


# %%
# Ask the server
# --------------
#
# It runs in a thread, and you ask it over a real connection (and no proxy).

server = make_server("127.0.0.1", 0, app)
thread = threading.Thread(target=server.serve_forever)
thread.start()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path, body=None, headers=None):
    url = f"http://127.0.0.1:{server.port}{path}"
    try:
        asked = urllib.request.Request(url, body, headers or {})
        with opener.open(asked, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as reply:
        with reply:
            return reply.code, json.load(reply)


# %%
# The picture of 4000 × 4000 white pixels is small as a file, and the naive handler
# unpacks all of it.


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


images = [v2.functional.to_pil_image(draw(label)) for label in LABELS]
good, huge = png(images[0]), png(Image.new("RGB", (4000, 4000), "white"))
bodies = {"picture": good, "text": b"hello", "half": good[:1000], "huge": huge}
print("huge: under 64 KiB as a file:", len(huge) < 64 * 1024)
for name, body in bodies.items():
    codes = [ask(path, body)[0] for path in ("/naive", "/predict")]
    print(f"{name:8} naive {codes[0]}, checked {codes[1]}")
assert [ask("/predict", body)[0] for body in bodies.values()] == [200, 400, 400, 400]

# %%
# The reasons, for the client. A body that is announced as too long is refused before it
# is read (413), a method that the address does not know as well (405).

for body in (b"hello", huge):
    print(*ask("/predict", body))
code, reply = ask("/predict", b"", {"Content-Length": "100000000"})
print(code, reply["error"][:34])
print(*ask("/predict"))

# %%
# The same numbers as without a server
# ------------------------------------
#
# A wrong colour order or scale would not raise an error, so compare with the model
# itself, on the tensor that was drawn.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(2, 3, figsize=(8, 4), layout="constrained")
for image, (top, bottom) in zip(images, axes.T, strict=True):
    code, reply = ask("/predict", png(image))
    drawn = v2.functional.pil_to_tensor(image) / 255
    local = model(drawn.unsqueeze(0)).softmax(dim=1)[0]
    torch.testing.assert_close(torch.tensor(reply["probabilities"]), local)
    top.imshow(image)
    top.set(title=f"The server says: {reply['label']}", xlabel="x (px)", ylabel="y (px)")
    bottom.barh(LABELS, reply["probabilities"], color="tab:blue", hatch="//")
    bottom.set(xlabel="probability", xlim=(0, 1), title="its answer", ylabel="class")
plt.show()

# %%
# Pitfall: a server that stays
# ----------------------------
#
# A notebook or test that forgets to stop its server keeps the thread and the port.

server.shutdown()
thread.join()
server.server_close()
print("server thread still running:", thread.is_alive())

# %%
# Learn more
# ----------
#
# - Modes for serving: :ref:`sphx_glr_recipes_recipes_train_and_eval_modes.py` and
#   :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
# - Load a trained model:
#   :ref:`sphx_glr_recipes_recipes_saving_and_loading_models_for_inference.py`
# - Serve without Python: :ref:`sphx_glr_recipes_recipes_onnx_export.py`
