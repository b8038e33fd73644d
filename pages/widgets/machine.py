"""The machine at a glance: its GPUs, or that there is none, and the host."""

import streamlit as st

from core.hardware.readings import GpuReading, read_gpus, read_host, read_machine
from core.paths import Workspace
from core.wording import show_bytes
from pages.widgets.text import plain


@st.fragment(run_every="2s")
def show(workspace: Workspace) -> None:
    """Draw the readings and keep them fresh by themselves."""
    gpus, host, machine = read_gpus(), read_host(workspace.root), read_machine()
    with st.container(border=True):
        for gpu in gpus:
            _show_gpu(gpu)
        if not gpus:
            st.markdown("**No NVIDIA GPU.** The starter trains on the processor; bases of 1B and more want a GPU.")
        with st.container(horizontal=True, gap="medium"):
            _figure("Processor", f"{host.cpu_percent:.0f}%", f"{machine.cores} cores")
            _figure("Memory in use", show_bytes(host.memory_used_bytes), f"of {show_bytes(host.memory_total_bytes)}")
            _figure("Free disk", show_bytes(host.disk_free_bytes), "for the workspace")


def _show_gpu(gpu: GpuReading) -> None:
    st.markdown(f"**{plain(gpu.name)}**")
    with st.container(horizontal=True, gap="medium"):
        _figure("GPU use", _with_unit(gpu.utilization_percent, "%"))
        _figure("GPU memory in use", show_bytes(gpu.memory_used_bytes), f"of {show_bytes(gpu.memory_total_bytes)}")
        _figure("Temperature", _with_unit(gpu.temperature_celsius, " °C"))
        limit = gpu.power_limit_watts
        _figure("Power", _with_unit(gpu.power_watts, " W"), "" if limit is None else f"of {limit:.0f} W")


def _figure(label: str, value: str, beside: str = "") -> None:
    st.metric(label, value, beside or None, delta_color="off", delta_arrow="off", width="content")


def _with_unit(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.0f}{unit}"
