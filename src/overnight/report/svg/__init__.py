"""Charts as pure functions from plain records to HTML with SVG inside.

One technique for all: a grid of fluid boxes (numbers at the left, the plot, names at the right, numbers below). Words and
circles stand at percentages of their box; lines and dots are paths in a box of 1000 by 1000 that stretches, and their strokes
do not. So one markup serves a wide page, a phone, print and a file. Colours and sizes come from classes
(`../static/overnight.css`): there is no inline style and no script, and a page may forbid both.
Every word is escaped. The charts bound no words and clean none: views do.
"""
