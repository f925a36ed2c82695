"""``kitctl``: parse, call one verb, print. One module per verb; nothing here decides anything.

Exit codes: 0 done, 1 an expected error or a "no", 2 wrong usage, 70 a bug of ours, 130 stopped by Ctrl-C.
"""
