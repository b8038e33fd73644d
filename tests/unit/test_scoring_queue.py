"""The queue of the scoring service: what was put in together is scored by one model."""

from core.catalog import rubrics
from core.scoring.reading import read_transcript
from core.scoring.service.queue import Queue
from core.scoring.service.stock import Wanted
from tests.conftest import wait_until
from tests.scoring_service import Paced

RUBRIC = rubrics.find("conversation")
FOUR_WORDS = Wanted(read_transcript("Nurse: What worries you most?", RUBRIC), RUBRIC, "scores")


def test_a_batch_that_takes_several_turns_is_scored_by_one_model() -> None:
    models = Paced()
    queue = Queue(models, lambda: RUBRIC, words=8)
    queue.start()
    wait_until(lambda: queue.health().ready, 10, "the first model")
    models.may_score.clear()
    batch = queue.add([FOUR_WORDS] * 6, "")
    wait_until(lambda: len(models.batches) == 1, 10, "the first of the batch")
    models.default = "second"
    later = queue.add([FOUR_WORDS], "")
    models.may_score.set()
    assert [one.future.result(20).adapter for one in batch] == ["first"] * 6
    assert later[0].future.result(20).adapter == "second"
    assert [(name, len(texts)) for name, texts in models.batches] == [*[("first", 2)] * 3, ("second", 1)]
    wait_until(lambda: not queue._begun, 10, "the first model to be let go")
    queue.stop()
