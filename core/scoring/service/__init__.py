"""The scoring service: its addresses, limits, queue and process, and the client that page and command use."""
