"""From a dataset and a configuration to an adapter. torch is allowed in here, except where a docstring says not."""
