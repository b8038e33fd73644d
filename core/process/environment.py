"""The environment that background processes get: what they need, and no more."""

import os
from collections.abc import Collection

_KEPT = {
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "COMSPEC",
    "PATHEXT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "XDG_CACHE_HOME",
    "NUMBER_OF_PROCESSORS",
    "WINDIR",
    "PROGRAMDATA",
    "SYSTEMDRIVE",
}
_KEPT_PREFIXES = (
    "ATELIER_",
    "LC_",
    "CUDA_",
    "NVIDIA_",
    "HF_",
    "OMP_",
    "GOMP_",
    "MKL_",
    "TORCH",
    "PYTHON",
    "MALLOC_",
    "COVERAGE_",
    "XDG_",
)

# Without these a short training job spends a third of its time handing pages back to the system and asking anew.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_TOP_PAD_": "268435456"}


def for_worker(device: str, keys: Collection[str] = ()) -> dict[str, str]:
    """Return the variables of a worker on a device such as 'cpu' or 'cuda:0'; they must be set before torch loads.

    Args:
        keys: Names of the variables with keys that this worker needs; others stay away from it.
    """
    wanted = _KEPT | set(keys)
    kept = {name: value for name, value in os.environ.items() if name in wanted or name.startswith(_KEPT_PREFIXES)}
    defaults = _MALLOC | {
        # A thread that finds no work sleeps soon, so that a second busy process costs its share and no more.
        "GOMP_SPINCOUNT": "20000",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    own = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # counted as NVML counts them, whose readings say which one is free
    if device.startswith("cuda:"):
        own["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:")
    return defaults | kept | own
