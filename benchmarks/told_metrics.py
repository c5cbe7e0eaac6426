"""What a gateway tells of itself in `/metrics`."""

import http.client


def read(port: int) -> str:
    """The whole page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def value(page: str, family: str, **labels: str) -> float:
    """A sample of a family with these labels, among others; 0 where there is none."""
    wanted = [f'{name}="{label}"' for name, label in labels.items()]
    for line in page.splitlines():
        sample, _, number = line.rpartition(" ")
        name, _, rest = sample.partition("{")
        if name == family and all(label in rest for label in wanted):
            return float(number)
    return 0.0
