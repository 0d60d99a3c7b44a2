# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "torchvision", "flask", "werkzeug", "pillow", "matplotlib"]
# [tool.recipe]
# tags = ["Deployment"]
# after = ["saving_and_loading_models_for_inference"]
# timeout = 120
# searched_as = [
#   "REST API", "web service", "serve predictions", "inference server",
#   "predict a single image", "upload an image", "FastAPI", "production",
#   "model serving",
# ]
# ///
"""
Deploying with Flask
====================

Serve a model over HTTP, and answer a bad request with a reason instead of a crash.

Why it matters: a server is sent more than images: text, half an upload, a gigabyte, a
small file that unpacks to a huge picture. A handler that trusts its input answers with
"internal server error" at best, and runs out of memory at worst.
"""

# %%
# A model to serve
# ----------------
#
# Pictures of discs and stripes, 32 × 32 pixels, and a small network that tells them
# apart. Call ``eval()`` on any model that serves.

import torch
from torch import nn

gpu = torch.accelerator.is_available()
device = torch.accelerator.current_accelerator() if gpu else torch.device("cpu")
torch.manual_seed(0)
torch.set_num_threads(1)  # enough for a small model, and the digits repeat
LABELS = ["disc", "stripes"]
rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")


def draw(label):
    y, x = torch.randint(10, 22, (2,))
    disc = (rows - y) ** 2 + (columns - x) ** 2 < 64
    shape = disc if label == "disc" else (rows + x) % 8 < 4
    return (200 * shape + torch.randint(40, (3, 32, 32))).to(torch.uint8)


# %%


def make():
    layers = [nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(392, 2)]
    return nn.Sequential(*layers).to(device)


inputs = torch.stack([draw(label) for label in LABELS * 60]).to(device) / 255
targets = torch.arange(len(inputs), device=device) % 2
model, loss_fn = make(), nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(40):
    optimizer.zero_grad()
    loss_fn(model(inputs), targets).backward()
    optimizer.step()
model = model.eval()
right = (model(inputs).argmax(dim=1) == targets).sum().item()
print(f"right: {right} of {len(inputs)}")

# %%
# A handler that trusts
# ---------------------
#
# ``POST /naive`` decodes the body, whatever it is.

import io
import struct

from flask import Flask, abort, request
from PIL import Image
from PIL.Image import DecompressionBombError
from torchvision.transforms import v2
from werkzeug.exceptions import HTTPException

# %%

app = Flask("pictures")
steps = [v2.RGB(), v2.Resize((32, 32)), v2.ToImage()]
prepare = v2.Compose([*steps, v2.ToDtype(torch.float32, scale=True)])


def answer(image):
    with torch.inference_mode():
        scores = model(prepare(image).unsqueeze(0).to(device)).softmax(dim=1)[0]
    return {"label": LABELS[scores.argmax()], "probabilities": scores.tolist()}


@app.post("/naive")
def predict_anything():
    return answer(Image.open(io.BytesIO(request.get_data())))


# %%
# A handler that checks
# ---------------------
#
# Flask refuses a body longer than ``MAX_CONTENT_LENGTH``. Only two formats are decoded,
# after a look at the number of pixels in the file's header. What the decoder raises
# becomes a 400, "bad request"; an error of the model stays a 500. Every error is JSON.
# A phone stores beside the pixels how to turn a photo; ``TURNS`` has the three turns.
# The four values for a mirrored photo are rare, and left alone here.

app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
ways = Image.Transpose
TURNS = {3: ways.ROTATE_180, 6: ways.ROTATE_270, 8: ways.ROTATE_90}


@app.errorhandler(HTTPException)
def as_json(error):
    return {"error": error.description}, error.code


# %%


def decode(body, max_pixels=2**20):
    try:
        image = Image.open(io.BytesIO(body), formats=["PNG", "JPEG"])
        if image.width * image.height > max_pixels:
            abort(400, "too many pixels")
        image.load()
        turn = TURNS.get(image.getexif().get(0x0112))  # the tag "orientation"
    except (OSError, SyntaxError, ValueError, struct.error, DecompressionBombError):
        abort(400, "no usable image")
    return image if turn is None else image.transpose(turn)


# %%


@app.post("/predict")
def predict():
    return answer(decode(request.get_data()))


# %%
# Ask a real server
# -----------------
#
# This server is for development. On port 0 the system picks a free port. The logs are
# off only to keep this page short.

import json
import logging
import threading
from http.client import HTTPConnection
from pathlib import Path

from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
app.logger.setLevel(logging.CRITICAL)
server = make_server("127.0.0.1", 0, app)
thread = threading.Thread(target=server.serve_forever, daemon=True)
thread.start()

# %%


def ask(path, body=None, **headers):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST" if body else "GET", path, body, headers)
    reply = connection.getresponse()
    content = json.load(reply)
    connection.close()
    return reply.status, content


def png(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


# %%
# The huge picture is white, so its file is small. The naive handler unpacks all of it,
# and answers. It fails on the text and on the file that was cut. In the last picture,
# only the note on how to turn it is cut: the checks read this note. Two more: a body
# that says it is too long is refused unread (413), a GET for its method (405).

images = [v2.functional.to_pil_image(draw(label)) for label in LABELS * 2]
good, huge = png(images[0]), png(Image.new("RGB", (4000, 4000), "white"))
bodies = {"picture": good, "text": b"hello", "cut": good[:1000], "huge": huge}
bodies["note"] = png(images[0], exif=b"Exif\0\0II*\0")
print("the huge picture fits in 64 KiB:", len(huge) < 64 * 1024)
replies = [ask("/predict", body) for body in bodies.values()]
for (name, body), (code, reply) in zip(bodies.items(), replies, strict=True):
    naive, reason = ask("/naive", body)[0], reply.get("error", "with a label")
    print(f"{name + ':':8} naive {naive}, checked {code} {reason}")
replies.append(ask("/predict", b"x", **{"Content-Length": "100000000"}))
replies.append(ask("/predict"))  # without a body it is a GET
for code, reply in replies[5:]:
    print(code, reply["error"].split(".")[0])
assert [code for code, reply in replies] == [200, 400, 400, 400, 400, 413, 405]

# %%
# The same numbers as without a server
# ------------------------------------
#
# A wrong scale or order of colours would raise no error, so compare with the model
# itself, on the pixels that were drawn.

import matplotlib.pyplot as plt

fig, axes = plt.subplots(1, 4, figsize=(8, 2.6), layout="constrained")
for ax, image in zip(axes, images, strict=True):
    code, reply = ask("/predict", png(image))
    drawn = v2.functional.pil_to_tensor(image) / 255
    local = model(drawn.unsqueeze(0).to(device)).softmax(dim=1)[0].cpu()
    torch.testing.assert_close(torch.tensor(reply["probabilities"]), local)
    ax.imshow(image)
    ax.set(title=f"status {code},\n{reply['label']}", xlabel="x (px)", ylabel="y (px)")
plt.show()
print("answers: the same as the model's own")

# %%
# Pitfall: a server that stays
# ----------------------------
#
# A test or notebook that forgets to stop its server keeps a thread and a port.

server.shutdown()
thread.join()
server.server_close()
print("server thread still running:", thread.is_alive())
assert not thread.is_alive()

# %%
# In your project
# ---------------
#
# Save the weights where you train. The last cell of this section is ``serve.py``. Copy
# above it the imports, ``gpu``, ``device``, ``LABELS``, ``steps``, ``prepare``,
# ``ways`` and ``TURNS``. Then copy ``make``, ``answer``, ``decode``, and ``as_json``
# without its decorator. The limits suit most photos of phones. In production, give
# ``app`` to a WSGI server, ``waitress-serve --listen=127.0.0.1:8000 serve:app``, or on
# Linux and macOS ``gunicorn serve:app``. Only this machine reaches that address: put a
# web server with TLS before the server. Each worker process loads a model and computes
# on all cores: with several workers, divide the cores by ``torch.set_num_threads``.
#
# Other formats, such as HEIC from an iPhone, get a 400. ``v2.RGB()`` turns 16-bit grey
# pictures almost white and drops transparency, without an error. To refuse them, let
# ``decode`` accept no ``image.mode`` but ``"L"`` and ``"RGB"``. Then ask the server:
#
# .. code-block:: sh
#
#    curl --data-binary @photo.jpg http://localhost:8000/predict

torch.save(model.state_dict(), "weights.pt")  # in the training script

# %%

app = Flask("serve")
app.config["MAX_CONTENT_LENGTH"] = 16 * 2**20  # bytes
app.register_error_handler(HTTPException, as_json)
weights = torch.load("weights.pt", map_location=device, weights_only=True)  # new
model = make().eval()  # ``answer`` asks this model
model.load_state_dict(weights)


@app.post("/predict")
def predict_upload():
    body = request.get_data()  # first: to Flask, what curl sends looks like a form
    form = request.files.get("file")  # what an HTML form sends
    return answer(decode(form.read() if form else body, max_pixels=25_000_000))


# %%
# Check these lines
# -----------------
#
# The model from the file must give the answer that the trained model gave, for a body
# and for a form. A photo of 1600 x 1200 pixels, too large for the first handler, gets
# an answer, and text gets a reason.

client, upload = app.test_client(), {"file": (io.BytesIO(good), "picture.png")}
large = png(images[0].resize((1600, 1200)))
curl = {"data": good, "content_type": "application/x-www-form-urlencoded"}
for sent in (curl, {"data": upload}, {"data": large}, {"data": b"hello"}):
    reply = client.post("/predict", **sent)
    print(reply.status_code, reply.json.get("label", reply.json))
    replies.append((reply.status_code, reply.json))
assert replies[7] == replies[8] == replies[0] and replies[9][0] == 200
assert replies[10][0] == 400
Path("weights.pt").unlink()

# %%
# Photos that do not stand upright must be turned as Pillow's own function turns them.

from PIL import ImageOps

exif = Image.Exif()
for orientation in (3, 6, 8):
    exif[0x0112], file = orientation, io.BytesIO()
    images[1].crop((0, 0, 32, 20)).save(file, "PNG", exif=exif)
    upright = decode(file.getvalue())
    print(f"32 x 20 px, orientation {orientation}: {upright.width} x {upright.height}")
    assert upright.tobytes() == ImageOps.exif_transpose(Image.open(file)).tobytes()

# %%
# Learn more
# ----------
#
# - Modes for serving: :ref:`sphx_glr_recipes_recipes_no_grad_and_inference_mode.py`
# - Loading: :ref:`sphx_glr_recipes_recipes_saving_and_loading_models_for_inference.py`
# - Pictures of other layouts:
#   :ref:`sphx_glr_recipes_recipes_error_image_channels_and_batch.py`
# - Serve without Python: :ref:`sphx_glr_recipes_recipes_onnx_export.py`
