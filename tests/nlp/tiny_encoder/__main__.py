"""Write the fixture's files anew, after a change of the exporter that is meant."""

from nlp.codebook import load_codebook
from nlp.encoder import GRAPH_FILE, TOKENIZER_FILE
from tests.nlp import tiny_encoder
from training.encoder_export import encoder_graph

codebook = load_codebook()
graph = encoder_graph(tiny_encoder.weights({"stage": codebook.labels("stage")}))
(tiny_encoder.FOLDER / GRAPH_FILE).write_bytes(graph.SerializeToString(deterministic=True))
(tiny_encoder.FOLDER / TOKENIZER_FILE).write_text(tiny_encoder.tokenizer_json(), encoding="utf-8")
