"""The reports in a real browser: nothing fails to load, every figure shows, the verdict is a heading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from medcairn.monitoring import monitor
from medcairn.validation import load_criteria, validate
from monitoring.windows import ABOUT as MONITORING_ABOUT
from monitoring.windows import column, table
from validation.gold_tables import ABOUT, LogisticScorer, write_gold

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.is_file():
        pytest.skip("there is no Chromium at /usr/bin/chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    validation, monitoring = tmp_path_factory.mktemp("validation"), tmp_path_factory.mktemp("monitoring")
    criteria = load_criteria("readmission_30d")
    gold, pinned = write_gold(validation / "gold"), criteria.digest
    scorer = LogisticScorer()
    validate(gold, scorer, criteria, validation, pinned=pinned, seed=1, bootstrap_samples=200, about=ABOUT)
    generator = np.random.default_rng(3)
    names = [f"feature_{number}" for number in range(30)]
    reference, current = (
        table(
            {name: column(generator, kind, rows) + shift for kind, name in enumerate(names)}
            | {"score": generator.random(rows)}
        )
        for rows, shift in ((400, 0.0), (200, 0.5))
    )
    monitor(reference, current, monitoring, feature_names=names, about=MONITORING_ABOUT)
    return {"validation": validation / "report.html", "monitoring": monitoring / "report.html"}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["validation", "monitoring"])
def test_a_report_opens_without_complaint(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(pages[name].as_uri())
    page.wait_for_load_state("load")
    images = page.locator("img")
    assert images.count() >= 4
    widths = page.evaluate("Array.from(document.images, image => image.naturalWidth)")
    assert all(natural > 0 for natural in widths)
    verdict = page.get_by_role("heading", level=2).first
    assert verdict.inner_text().startswith("Verdict: ")
    assert page.get_by_role("table").count() >= 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not complaints
    assert {url.split(":", 1)[0] for url in requests} <= {"file", "data"}
    context.close()
