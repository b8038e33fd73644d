"""The machine at a glance: its GPUs, or that there is none, and the host."""

import streamlit as st

from core.hardware.readings import read_gpus, read_host, read_machine
from core.paths import Workspace
from core.wording import show_bytes


@st.fragment(run_every="2s")
def show(workspace: Workspace) -> None:
    """Draw the readings and keep them fresh by themselves."""
    gpus, host, machine = read_gpus(), read_host(workspace.root), read_machine()
    for gpu in gpus:
        with st.container(border=True):
            st.markdown(f"**{gpu.name}**")
            places = st.columns(4)
            places[0].metric("Use", _percent(gpu.utilization_percent))
            places[1].metric(
                "Memory",
                show_bytes(gpu.memory_used_bytes),
                f"of {show_bytes(gpu.memory_total_bytes)}",
                delta_color="off",
                delta_arrow="off",
            )
            places[2].metric(
                "Temperature", "unknown" if gpu.temperature_celsius is None else f"{gpu.temperature_celsius:.0f} °C"
            )
            places[3].metric("Power", "unknown" if gpu.power_watts is None else f"{gpu.power_watts:.0f} W")
    with st.container(border=True):
        if not gpus:
            st.markdown("**No NVIDIA GPU.** The starter trains on the processor; bases of 1B and more want a GPU.")
        spots = st.columns(3)
        spots[0].metric(
            "Processor", f"{host.cpu_percent:.0f}%", f"{machine.cores} cores", delta_color="off", delta_arrow="off"
        )
        spots[1].metric(
            "Memory",
            show_bytes(host.memory_used_bytes),
            f"of {show_bytes(host.memory_total_bytes)}",
            delta_color="off",
            delta_arrow="off",
        )
        spots[2].metric("Free disk", show_bytes(host.disk_free_bytes))


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}%"
