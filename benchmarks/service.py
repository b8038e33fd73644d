"""What the scoring service answers under load: many clients at once, each asking again as soon as it has its answer.

    python -m benchmarks.service                       1,000 requests from 32 clients
    python -m benchmarks.service --quick               100 requests from 8 clients; keeps no result

The service is the private one of a temporary workspace, with the model that is in use without any training. Clients ask
for the scores of the shipped transcripts over HTTP, one each time. What is refused because too many wait is asked again
after the time that the service names, and counted.
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks import arms
from core.cli.output import print_table
from core.paths import DATA_DIR, Workspace
from core.scoring.service import client
from core.scoring.service.address import Address
from core.store import schema

SAMPLES = DATA_DIR / "transcripts" / "samples"
PATIENCE_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100 requests from 8 clients")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--detail", choices=("scores", "full"), default="scores")
    parser.add_argument("--json", type=Path, help="write the result here")
    chosen = parser.parse_args(sys.argv[1:])
    if chosen.quick:
        chosen.requests, chosen.clients = 100, 8
    with arms.machine_held(), tempfile.TemporaryDirectory() as folder:
        machine = arms.describe_machine()
        arms.print_machine(machine)
        workspace = Workspace(Path(folder))
        schema.prepare(workspace)
        began = time.perf_counter()
        address = client.ensure_service(workspace)
        start_s = time.perf_counter() - began
        service = psutil.Process(address.process.pid)
        try:
            found = measure(address, service, chosen.requests, chosen.clients, chosen.detail)
        finally:
            service.kill()
            service.wait(10)
        found |= {"benchmark": "service", "machine": machine, "start_s": start_s, "detail": chosen.detail}
        report(found, chosen.clients)
        arms.save(chosen.json or arms.result_path("service", chosen.quick), found)


@dataclass
class Tally:
    """What the clients saw; times in seconds, of answered requests only."""

    left: int
    times: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> int | None:
        """Return the number of the next request, None when there is none."""
        with self.lock:
            self.left -= 1
            return self.left if self.left >= 0 else None

    def note(self, status: str, seconds: float | None = None) -> None:
        with self.lock:
            self.statuses[status] += 1
            if seconds is not None:
                self.times.append(seconds)


def read_samples() -> list[str]:
    lines = [line for file in sorted(SAMPLES.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]
    found = [str(json.loads(line)["transcript"]) for line in lines if line.strip()]
    if not found:
        raise SystemExit(f"There are no transcripts in {SAMPLES}.")
    return found


def measure(address: Address, service: psutil.Process, requests: int, clients: int, detail: str) -> dict[str, Any]:
    bodies = [json.dumps({"transcript": text, "detail": detail}).encode() for text in read_samples()]
    ask_on(address, Tally(4), bodies)  # what is compiled or read once
    tally = Tally(requests)
    threads = [threading.Thread(target=ask_on, args=(address, tally, bodies)) for _ in range(clients)]
    before, used = service.memory_info().rss, service.cpu_times()
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    after = service.cpu_times()
    return {
        "requests": requests,
        "clients": clients,
        "seconds": seconds,
        "times": sorted(tally.times),
        "statuses": dict(tally.statuses),
        "processor_s": after.user + after.system - used.user - used.system,
        "memory_before": before,
        "memory_after": service.memory_info().rss,
    }


def ask_on(address: Address, tally: Tally, bodies: list[bytes]) -> None:
    """Ask until nothing is left, over one connection."""
    line = http.client.HTTPConnection("127.0.0.1", address.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {address.token}", "Content-Type": "application/json"}
    while (number := tally.take()) is not None:
        began = time.perf_counter()
        while True:
            try:
                line.request("POST", "/score", bodies[number % len(bodies)], headers)
                response = line.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                tally.note(type(error).__name__)
                line.close()
                break
            tally.note(str(response.status), time.perf_counter() - began if response.status == 200 else None)
            if response.status != 429:
                break
            time.sleep(float(response.headers.get("Retry-After", "1")))
    line.close()


def report(found: dict[str, Any], clients: int) -> None:
    times = [1000 * one for one in found["times"]]
    wrong = {status: count for status, count in found["statuses"].items() if status not in ("200", "429")}
    rows = [
        ("answered", f"{len(times):,} of {found['requests']:,} from {clients} clients"),
        ("errors", ", ".join(f"{status}: {count}" for status, count in wrong.items()) or "none"),
        ("asked to wait (429)", str(found["statuses"].get("429", 0))),
        ("answers a second", f"{len(times) / found['seconds']:.1f}"),
        ("half within", f"{arms.percentile(times, 0.5):,.0f} ms" if times else "-"),
        ("99 in 100 within", f"{arms.percentile(times, 0.99):,.0f} ms" if times else "-"),
        ("processor", f"{1000 * found['processor_s'] / max(1, len(times)):.0f} ms an answer"),
        ("memory", f"{found['memory_before'] / 1e6:,.0f} MB before, {found['memory_after'] / 1e6:,.0f} MB after"),
        ("start until ready", f"{found['start_s']:.1f} s"),
    ]
    print_table(("what", "measured"), rows)
    if wrong:
        raise SystemExit("Some requests got no score.")


if __name__ == "__main__":
    main()
