"""Time to the first token of a question about a screen: the image encoded on upload, against with the question.

The goal is the ViT's share of the arithmetic before the first token in the 3B recipe, one tile and its thumbnail and a
question of 32 tokens (two fifths): what is looked at before cannot be saved twice.

python -m bench.upload_encoding [run=FOLDER]
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from tokenizers import Tokenizer as Raw

from bench.parts.line import run_of, say
from bench.tile_latency import model_of
from lapis import chat, config
from lapis.model import anyres
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine
from lapis.types import Image, Request, Text, Turn

SIZES = ((360, 640), (800, 800), (540, 960))
QUESTION = "Where is: Save?"
REPEATS = 15
GOAL = 0.4
