"""Text in, Analysis out: reading customer feedback without web or database.

`pipeline.Pipeline.load().analyze([TextInput("…")])` is the whole of it; `tag_file.tag_file` does it for a file.
Nothing is imported here, so that labels and shapes can be had without numpy and spaCy.
"""
