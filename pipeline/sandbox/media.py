"""Results that are no pictures: a short video, and a short tone for each song."""

from __future__ import annotations

import io
import math
import struct
import wave
from functools import cache, lru_cache
from hashlib import sha256
from importlib.resources import files

#: Samples a second, seconds, and the loudest sample of a tone.
RATE, SECONDS, LOUD = 8000, 0.4, 12_000
#: Seconds of fading in and out, so that a tone begins and ends without a click.
FADE = 0.02
#: The pitches of all tones, in Hz.
LOWEST, HIGHEST = 220.0, 880.0


@cache
def clip() -> bytes:
    """The video of every task: one second of H.264 in MP4."""
    return files(__package__).joinpath("clip.mp4").read_bytes()


@lru_cache(maxsize=256)
def tone(words: str, number: int, index: int) -> bytes:
    """A tone as WAV: song `index` of the prompt's `number`-th task. Its pitch depends on all."""
    mark = sha256(f"{words}\0{number}\0{index}".encode(errors="surrogatepass")).digest()
    pitch = LOWEST + (HIGHEST - LOWEST) * int.from_bytes(mark[:4]) / 2**32
    step = 2 * math.pi * pitch / RATE
    total, fade = int(RATE * SECONDS), RATE * FADE
    samples = (
        round(LOUD * min(1.0, at / fade, (total - at) / fade) * math.sin(at * step))
        for at in range(total)
    )
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{total}h", *samples))
    return sound.getvalue()
