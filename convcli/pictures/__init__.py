"""Pictures that people look at: figures, animations, previews, drawn from the engine's own numbers.

A picture is made of panels; a panel is laid out from cells and captions; all of them draw on a
canvas, which is pixels or SVG. Colours are in `theme` alone.
"""
