"""Readings of this machine: GPUs through NVML, the host through psutil."""
