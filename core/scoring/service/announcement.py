"""What a service on a port tells the person who started it: its address, the token, and how to ask."""

import sys

from core.scoring.service.access import LOCAL, is_everywhere

TOKEN = "ATELIER_TOKEN"


def show(host: str, port: int, token: str, *, is_new: bool) -> None:
    """Print address, token and an example; a token that the person gave is not repeated.

    It goes past the filter before stdout, which hides tokens: this is the one place that shows a new one.
    """
    address = _address(host, port)
    lines = [
        f"Scoring on {address}. Stop it with Ctrl+C.",
        f"The token, shown only here: {token}" if is_new else f"The token is that of {TOKEN}.",
        _example(_address("127.0.0.1" if is_everywhere(host) else host, port), token if is_new else f"${TOKEN}"),
    ]
    print(*lines, sep="\n", file=sys.__stdout__, flush=True)
    if host not in LOCAL:
        told = f"{host} may be reached from the network, without encryption. Put a proxy with TLS before it."
        print(told, file=sys.stderr, flush=True)


def _address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _example(address: str, token: str) -> str:
    body = r'{"transcript": "Nurse: What worries you most?\nPatient: The needle."}'
    heads = f"-H 'Content-Type: application/json' -H \"Authorization: Bearer {token}\""
    return f"Try:\n  curl {address}/score {heads} -d '{body}'"
