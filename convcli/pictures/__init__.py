"""Pictures for people to look at: figures, animations and previews of the engine's own numbers.

A figure is a sheet of rows of panels; a panel has a title, a body and captions; all of them draw on
a canvas, which is pixels or SVG. `theme` alone holds colors and measures.
"""
