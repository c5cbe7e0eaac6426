"""A provider of embeddings on loopback, with a real model behind it.

    python -m benchmarks.embedding_server --port PORT --model FOLDER

It speaks `/v1/embeddings` as OpenAI does, as far as a gateway asks it.
"""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.minilm import MiniLM

READY_PATH = "/readyz"


class EmbeddingServer(ThreadingHTTPServer):
    """Listens on loopback.

    Args:
        port: where.
        model: makes the vectors, for one request at a time.
    """

    daemon_threads = True

    def __init__(self, port: int, model: MiniLM) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._model = model
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> bytes:
        """What a request for embeddings gets."""
        asked = json.loads(body)
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        with self._lock:
            rows = self._model.encode(texts)
        data = [
            {"object": "embedding", "index": index, "embedding": row.tolist()}
            for index, row in enumerate(rows)
        ]
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        reply = {"object": "list", "model": asked["model"], "data": data, "usage": usage}
        return json.dumps(reply).encode()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EmbeddingServer

    def do_GET(self) -> None:
        """Say whether it serves."""
        self._reply(200 if self.path == READY_PATH else 404, b"{}")

    def do_POST(self) -> None:
        """Embed."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/embeddings":
            self._reply(200, self.server.answer(body))
        else:
            self._reply(404, b"{}")

    def log_request(self, *_: object) -> None:
        """Say nothing."""

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    options = parser.parse_args()
    with EmbeddingServer(options.port, MiniLM(options.model)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
