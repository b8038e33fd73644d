"""GPU readings over a stand-in for the driver's library: two cards that answer, or refuse to, as a test asks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.hardware.readings import EnergyMeter, GpuReading, read_host, usable_cores
from core.paths import PROJECT_DIR, Workspace
from core.store.metrics import read_series
from tests.integration import support

COMPILER = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(
    COMPILER is None or not sys.platform.startswith("linux"), reason="the stand-in needs Linux and a C compiler"
)

DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FAILING lists functions that answer "not supported". */
static int refused(const char *name) {
    const char *failing = getenv("FAILING");
    return failing && strstr(failing, name) ? 3 : 0;
}
#define ASKED int no = refused(__func__); if (no) return no
#define CARD ((int)(long)card - 1)

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } rates_t;

int nvmlInitWithFlags(unsigned flags) { ASKED; return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { ASKED; *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) { ASKED; *card = (void *)(long)(index + 1); return 0; }
int nvmlDeviceGetName(void *card, char *name, unsigned size) {
    ASKED; snprintf(name, size, "Test Card %d", CARD); return 0;
}
int nvmlDeviceGetMemoryInfo(void *card, memory_t *out) {
    ASKED; out->total = 24000000000ULL; out->used = 1000000000ULL * (CARD + 1); out->free = out->total - out->used;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *card, rates_t *out) { ASKED; out->gpu = 37 + CARD; out->memory = 5; return 0; }
int nvmlDeviceGetTemperature(void *card, int sensor, unsigned *out) { ASKED; *out = 61 + CARD; return 0; }
int nvmlDeviceGetPowerUsage(void *card, unsigned *out) { ASKED; *out = 240500; return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *card, unsigned *out) { ASKED; *out = 450000; return 0; }
"""

READ = """
import json
from dataclasses import asdict
from core.hardware.readings import read_gpus, read_machine
machine = read_machine()
told = {"gpus": [asdict(gpu) for gpu in read_gpus()], "key": machine.key, "devices": machine.devices}
print(json.dumps(told | {"memory": machine.gpu_memory_bytes}))
"""

FIRST = {
    "index": 0,
    "name": "Test Card 0",
    "memory_total_bytes": 24_000_000_000,
    "memory_used_bytes": 1_000_000_000,
    "utilization_percent": 37.0,
    "temperature_celsius": 61,
    "power_watts": 240.5,
    "power_limit_watts": 450.0,
}


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled stand-in."""
    folder = tmp_path_factory.mktemp("driver")
    source = folder / "driver.c"
    source.write_text(DRIVER)
    library = str(folder / "libnvidia-ml.so.1")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", library, str(source)], check=True, timeout=60)
    return folder


def read(driver: Path, failing: str = "") -> dict[str, Any]:
    """Return what a fresh process reads; the library is loaded once in each."""
    done = subprocess.run(
        [sys.executable, "-c", READ],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), "FAILING": failing, "PYTHONPATH": str(PROJECT_DIR)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@needs_compiler
def test_each_card_is_read_with_all_its_values(driver: Path) -> None:
    told = read(driver)
    assert told["gpus"][0] == FIRST
    second = told["gpus"][1]
    assert (second["index"], second["name"], second["temperature_celsius"]) == (1, "Test Card 1", 62)
    assert told["key"] == "Test Card 0 x2"
    assert told["devices"] == ["cuda:0", "cuda:1"]
    assert told["memory"] == [24_000_000_000, 24_000_000_000]


@needs_compiler
@pytest.mark.parametrize(
    ("failing", "missing"),
    [
        ("nvmlDeviceGetUtilizationRates", {"utilization_percent": None}),
        ("nvmlDeviceGetTemperature", {"temperature_celsius": None}),
        ("nvmlDeviceGetPowerUsage", {"power_watts": None}),
        ("nvmlDeviceGetEnforcedPowerLimit", {"power_limit_watts": None}),
        ("nvmlDeviceGetMemoryInfo", {"memory_total_bytes": None, "memory_used_bytes": None}),
        ("nvmlDeviceGetName", {"name": "GPU of unknown name"}),
    ],
)
def test_a_value_that_the_card_does_not_tell_is_missing_and_no_other(
    driver: Path, failing: str, missing: dict[str, Any]
) -> None:
    assert read(driver, failing)["gpus"][0] == FIRST | missing


@needs_compiler
@pytest.mark.parametrize("failing", ["nvmlInitWithFlags", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2"])
def test_a_driver_that_knows_no_card_is_no_gpu_and_no_failure(driver: Path, failing: str) -> None:
    told = read(driver, failing)
    assert told["gpus"] == []
    assert told["devices"] == ["cpu"]


def test_without_a_driver_there_is_no_gpu_and_the_processor_gives_its_name(tmp_path: Path) -> None:
    told = read(tmp_path, "")
    if told["gpus"]:
        pytest.skip("this machine has a driver of its own")
    assert told["devices"] == ["cpu"]
    assert told["key"].endswith(f" x{usable_cores()}")


def test_the_host_is_read_even_for_a_workspace_that_is_not_there_yet(tmp_path: Path) -> None:
    host = read_host(tmp_path / "not" / "yet")
    assert 0 <= host.cpu_percent <= 100
    assert 0 < host.memory_used_bytes < host.memory_total_bytes
    assert host.disk_free_bytes > 0


def test_energy_is_power_times_time_over_all_cards_that_tell_it() -> None:
    cards = [
        GpuReading(**FIRST),
        GpuReading(**FIRST | {"power_watts": 100.0}),
        GpuReading(**FIRST | {"power_watts": None}),
    ]
    meter = EnergyMeter()
    assert meter.joules is None
    meter.add(cards, 2.0)
    meter.add(cards[:1], 1.0)
    assert meter.joules == pytest.approx(2.0 * 340.5 + 240.5)


@needs_compiler
def test_a_job_keeps_the_readings_of_its_cards_and_their_energy(
    driver: Path, workspace: Workspace, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver))
    job = support.wait_for_end(workspace, support.submit(workspace, tiny_base, max_steps=3, evaluate=False))
    assert (job.state, job.device) == ("succeeded", "cuda:0")
    series = read_series(workspace.job(job.id).metrics)
    assert set(series["gpu0/power_watts"].values) == {240.5}
    assert set(series["gpu1/temperature_celsius"].values) == {62.0}
    assert set(series["gpu1/memory_bytes"].values) == {2e9}
    # Two cards at 240.5 W each, up to the last reading before the end.
    assert 0 < job.result["joules"] <= 481 * job.result["job_seconds"]
