"""What the machine is and how busy it is, through one interface; absent parts are absent, never zero."""

import os
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pynvml


@dataclass(frozen=True)
class GpuReading:
    """One GPU now; None where the card or driver does not tell."""

    index: int
    name: str
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilization_percent: float | None
    temperature_celsius: float | None
    power_watts: float | None
    power_limit_watts: float | None


@dataclass(frozen=True)
class HostReading:
    """The host now; `cpu_percent` is over all cores, 0 to 100, since the reading before."""

    cpu_percent: float
    memory_total_bytes: int
    memory_used_bytes: int
    disk_free_bytes: int


@dataclass(frozen=True)
class Machine:
    """What does not change while the program runs; a GPU that does not tell its memory has None there."""

    cpu_name: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    gpu_memory_bytes: tuple[int | None, ...]

    @property
    def key(self) -> str:
        """A name under which measurements of this machine are kept."""
        return f"{self.gpus[0]} x{len(self.gpus)}" if self.gpus else f"{self.cpu_name} x{self.cores}"

    @property
    def devices(self) -> tuple[str, ...]:
        """The places where a job can run: each GPU, or the processor where there is none."""
        return tuple(f"cuda:{index}" for index in range(len(self.gpus))) or ("cpu",)


psutil.cpu_percent(interval=None)  # sets the mark since which the first reading counts; without it that is 0
_nvml_lock = threading.Lock()
_nvml_state: dict[str, bool] = {}


def _nvml_ready() -> bool:
    """Load the driver's library once; a machine without one is no error."""
    with _nvml_lock:
        if "ready" not in _nvml_state:
            try:
                pynvml.nvmlInit()
                _nvml_state["ready"] = True
            except pynvml.NVMLError:
                _nvml_state["ready"] = False
        return _nvml_state["ready"]


def read_gpus() -> list[GpuReading]:
    """Return a reading for each NVIDIA GPU; an empty list without GPU or driver."""
    if not _nvml_ready():
        return []
    readings = []
    for index in range(_ask(pynvml.nvmlDeviceGetCount) or 0):
        handle = _ask(pynvml.nvmlDeviceGetHandleByIndex, index)
        if handle is None:  # a card that fell off the bus is skipped, the others still show
            continue
        name = _ask(pynvml.nvmlDeviceGetName, handle) or "GPU of unknown name"
        memory = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
        rates = _ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
        readings.append(
            GpuReading(
                index=index,
                name=name.decode() if isinstance(name, bytes) else str(name),
                memory_total_bytes=None if memory is None else int(memory.total),
                memory_used_bytes=None if memory is None else int(memory.used),
                utilization_percent=None if rates is None else float(rates.gpu),
                temperature_celsius=_ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
                power_watts=_in_watts(_ask(pynvml.nvmlDeviceGetPowerUsage, handle)),
                power_limit_watts=_in_watts(_ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
            )
        )
    return readings


def _ask(question: Callable[..., Any], *arguments: Any) -> Any:
    """Return the driver's answer, or None where card or driver does not tell."""
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def _in_watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def read_host(disk: Path) -> HostReading:
    """Return the host's load and the space left on the disk that holds `disk`."""
    memory = psutil.virtual_memory()
    while not disk.exists():
        disk = disk.parent
    return HostReading(
        cpu_percent=psutil.cpu_percent(interval=None),
        memory_total_bytes=memory.total,
        memory_used_bytes=memory.total - memory.available,
        disk_free_bytes=psutil.disk_usage(str(disk)).free,
    )


@cache
def read_machine() -> Machine:
    gpus = read_gpus()
    return Machine(
        cpu_name=_cpu_name(),
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        gpus=tuple(gpu.name for gpu in gpus),
        gpu_memory_bytes=tuple(gpu.memory_total_bytes for gpu in gpus),
    )


def usable_cores() -> int:
    """Return how many cores this process may use, which a container can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


class EnergyMeter:
    """Adds up the energy that the GPUs, or else the processor's own counter, report; silent where none does."""

    def __init__(self) -> None:
        self._rapl = sorted(Path("/sys/class/powercap").glob("intel-rapl:[0-9]"))
        self._last_rapl = self._read_rapl()
        self.joules: float | None = None

    def _read_rapl(self) -> float | None:
        try:
            return sum(int((domain / "energy_uj").read_text()) for domain in self._rapl) / 1e6 if self._rapl else None
        except (OSError, ValueError):
            return None

    def add(self, gpus: list[GpuReading], seconds: float) -> None:
        """Count the time since the reading before, `seconds` long."""
        watts = [gpu.power_watts for gpu in gpus if gpu.power_watts is not None]
        if watts:
            self.joules = (self.joules or 0.0) + sum(watts) * seconds
            return
        now = self._read_rapl()
        if now is not None and self._last_rapl is not None:
            self.joules = (self.joules or 0.0) + max(0.0, now - self._last_rapl)  # the counter wraps now and then
        self._last_rapl = now
