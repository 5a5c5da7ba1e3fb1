"""The rows that every program gets: a typical list of pictures of a team."""

from __future__ import annotations

HEADER = ["name", "prompt", "aspect_ratio", "campaign", "cost"]

#: What Windows-1252 can hold.
WESTERN = [
    ["hero", "a fox, asleep in the snow", "3:2", "Winter", "1200.50"],
    ["owl", 'an owl that says "hoo", at night', "1:1", "Winter", "80"],
    ["", "", "", "", ""],
    ["Spring", "", "", "", ""],
    ["été", "une fée à l’été – «très» légère; 20°C", "", "Été", "0"],
    ["Bär", "ein großer Bär\nüber Österreich\n(zwei Zeilen)", "16:9", "Frühling", "1 200,50"],
    ["formula", "=SUM of all parts, as a poster", "", "Spring", "-3"],
    ["007", " a bond, with spaces ", "2:3", "TRUE", "1e5"],
    ["single'quote", "it's a 12\" record; with | bars", "", "", ""],
    ["Total", "", "", "", "1280.50"],
]
#: What only Unicode can.
WORLD = [
    *WESTERN[:-1],
    ["狐", "雪の中のキツネ、夜明け", "1:1", "冬", "5"],
    ["emoji", "🦊 in the snow, Łódź, naïve café", "1:1", "", "5"],
    WESTERN[-1],
]
