#!/usr/bin/env python3
"""Opens reports in a real browser and checks what a reader would see, at the widths of a desk, a tablet and a phone.

    check_report.py [--screenshots DIR] report.html...

Needs Chromium, its driver and the package selenium (setup-browser.sh). Every fault is named on standard error; exit 1.
"""

import argparse
import base64
import pathlib
import shutil
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

WIDTHS_PX = (1280, 768, 360)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
).split()
# Sticking out by a pixel, or sharing the empty rows above and below letters, is nothing that anybody sees.
SLACK_PX = 1.0
TEXT_PX_MIN = 11.0

# Every fault of the page as it stands, in words. Runs in the browser.
FAULTS = """
const [slack, textMin] = arguments;
const faults = [];
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth)
    faults.push(`the page is ${root.scrollWidth} px wide in a window of ${root.clientWidth} px`);
for (const entry of performance.getEntriesByType('resource'))
    if (!entry.name.startsWith('data:')) faults.push(`it asks the network for ${entry.name}`);
const titles = document.querySelectorAll('h1').length;
if (titles !== 1) faults.push(`${titles} headings of the first level`);
const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`two elements have the id ${id}`);
for (const link of document.querySelectorAll('a[href^="#"]'))
    if (!ids.includes(decodeURIComponent(link.hash.slice(1)))) faults.push(`${link.hash} leads nowhere`);
for (const image of document.images)
    if (image.naturalWidth === 0) faults.push(`the picture "${image.alt}" does not load`);

for (const svg of document.querySelectorAll('svg[role=img]')) {
    const name = `the plot "${svg.getAttribute('aria-label')}"`;
    const box = svg.getBoundingClientRect();
    if (box.width <= 0 || box.height <= 0) { faults.push(`${name} has no size`); continue; }
    const texts = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim() !== '');
    const rects = texts.map(text => text.getBoundingClientRect());
    texts.forEach((text, i) => {
        const [words, rect] = [text.textContent, rects[i]];
        const out = Math.max(box.left - rect.left, rect.right - box.right, box.top - rect.top, rect.bottom - box.bottom);
        if (out > slack) faults.push(`${name}: "${words}" sticks out by ${out.toFixed(1)} px`);
        const ctm = text.getScreenCTM();
        const size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(ctm.a, ctm.b);
        if (size < textMin) faults.push(`${name}: "${words}" is ${size.toFixed(1)} px small`);
        for (let j = 0; j < i; j++) {
            const across = Math.min(rect.right, rects[j].right) - Math.max(rect.left, rects[j].left);
            const down = Math.min(rect.bottom, rects[j].bottom) - Math.max(rect.top, rects[j].top);
            if (Math.min(across, down) > slack)
                faults.push(`${name}: "${words}" lies on "${texts[j].textContent}" by ` +
                    `${across.toFixed(1)} x ${down.toFixed(1)} px`);
        }
    });
}
return faults;
"""


def start_browser(profile):
    """Chromium with nothing of its own to tell the network, and a profile that is thrown away."""
    paths = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        sys.exit(f"check_report.py: {' and '.join(missing)} not found; run scripts/setup-browser.sh")
    options = Options()
    options.binary_location = paths["chromium"]
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(paths["chromedriver"]))


def show(browser, width_px, scheme="light", medium="screen"):
    """Sets the window's width; a real window would not get as narrow as a phone."""
    metrics = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})


def faults_of(browser, report):
    """What is wrong with a report, as lines of text."""
    faults = []
    for width_px in WIDTHS_PX:
        show(browser, width_px)
        browser.get(report.resolve().as_uri())
        logged = [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        found = browser.execute_script(FAULTS, SLACK_PX, TEXT_PX_MIN)
        faults += [f"{report}, {width_px} px wide: {fault}" for fault in found + logged]
    return faults


def take_screenshots(browser, report, folder):
    """The whole page at every width in both colour schemes, and as paper."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{report.resolve().parent.name}-{report.stem}"
    for width_px in WIDTHS_PX:
        for scheme in ("light", "dark"):
            show(browser, width_px, scheme)
            browser.get(report.resolve().as_uri())
            shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            (folder / f"{name}-{width_px}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    show(browser, WIDTHS_PX[0], medium="")
    paper = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": False})
    (folder / f"{name}.pdf").write_bytes(base64.b64decode(paper["data"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", type=pathlib.Path, metavar="report.html")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="DIR", help="also writes pictures and a PDF")
    arguments = parser.parse_args()
    absent = [str(report) for report in arguments.reports if not report.is_file()]
    if absent:
        sys.exit(f"check_report.py: no such file: {', '.join(absent)}")
    faults = []
    with tempfile.TemporaryDirectory() as profile:
        browser = start_browser(profile)
        try:
            for report in arguments.reports:
                faults += faults_of(browser, report)
                if arguments.screenshots:
                    take_screenshots(browser, report, arguments.screenshots)
        finally:
            browser.quit()
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{len(arguments.reports)} reports are well at {', '.join(map(str, WIDTHS_PX))} px", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
