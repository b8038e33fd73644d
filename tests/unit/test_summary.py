"""The summary of a model in the form that other programs read."""

import csv
import io

import pytest

from core.evaluation.summary import Part, Result, summarise, write_csv


def result(group: str, score: float, **fields: object) -> Result:
    values: dict[str, object] = {
        "is_industry": True, "kind": "", "items": 10, "answered": 9, "low": score - 0.1, "high": score + 0.1,
        "seconds": 2.0, "tokens": 100, "parts": (Part("knowledge", 4, 0.5), Part("calculation", 6, score)),
    }  # fmt: skip
    return Result(group=group, score=score, **values | fields)  # type: ignore[arg-type]


def test_the_summary_has_the_overall_figures_and_those_of_each_industry() -> None:
    found = summarise("tuned", [result("finance", 0.8), result("retail", 0.6, seconds=4.0, answered=10)])
    assert found["model_name"] == "tuned"
    whole = found["overall_summary"]
    assert whole["overall_accuracy"] == pytest.approx(0.7)
    assert (whole["total_benchmarks"], whole["industries_tested"]) == (2, 2)
    assert whole["performance_by_industry"] == {"finance": 0.8, "retail": 0.6}
    assert whole["performance_by_type"] == pytest.approx({"domain_knowledge": 0.5, "calculation": 0.7})
    finance = found["industry_summaries"]["finance"]
    assert finance["num_benchmarks"] == 1
    assert finance["avg_accuracy"] == 0.8
    assert finance["avg_latency_ms"] == pytest.approx(200)
    assert finance["success_rate"] == 0.9
    assert found["industry_summaries"]["retail"]["avg_latency_ms"] == pytest.approx(400)


def test_an_own_benchmark_has_its_type_and_is_no_industry() -> None:
    found = summarise("m", [result("our rules", 0.5, is_industry=False, kind="domain knowledge")])
    assert found["overall_summary"]["industries_tested"] == 0
    assert found["overall_summary"]["performance_by_type"] == pytest.approx({"domain_knowledge": 0.5})


def test_several_benchmarks_of_one_industry_count_the_same_in_it() -> None:
    found = summarise("m", [result("finance", 0.8), result("finance", 0.4, items=1000)])
    assert found["industry_summaries"]["finance"]["avg_accuracy"] == pytest.approx(0.6)
    assert found["industry_summaries"]["finance"]["num_benchmarks"] == 2


def test_a_model_without_results_has_no_accuracy() -> None:
    assert summarise("m", [])["overall_summary"]["overall_accuracy"] is None


def test_a_csv_cell_is_never_a_formula() -> None:
    rows = list(
        csv.DictReader(
            io.StringIO(write_csv(("a", "b"), [{"a": "=1+1", "b": 0.5, "c": "left out"}, {"a": "-5", "b": -1}]))
        )
    )
    assert rows == [{"a": "'=1+1", "b": "0.5"}, {"a": "-5", "b": "-1"}]
