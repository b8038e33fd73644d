"""Atelier: everything behind the pages. Nothing in here imports Streamlit."""
