"""What every page must satisfy: axe-core finds nothing, nothing overflows, targets are large enough, the page is light.

A script that shows pages makes one `Judge` of its task's axe (the rules' script) and folder (for screenshots), calls
`page` where somebody stands before one, and hands `found()` back.
"""
import os

# Each pair of width, language and colours once.
VARIANTS = [(360, "fr", False), (1280, "fr", True), (360, "en", True), (1280, "en", False)]
# Heaviest page without fonts, in octets on the wire before compression.
HEAVIEST = 100_000
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
# What width and colours can change about a document that was judged whole at another width.
LOOKS = {"runOnly": {"type": "rule", "values": [
    "color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable", "nested-interactive"]},
    "resultTypes": ["violations"]}


class Judge:
    def __init__(self, task):
        with open(task["axe"], encoding="utf-8") as file:
            self.axe = file.read()
        self.folder, self.faults, self.shots = task["folder"], [], 0
        os.makedirs(self.folder, exist_ok=True)

    def page(self, page, name, language):
        """The page as it stands, at both widths, in the colours that belong to its language."""
        page.run(self.axe)
        rules = EVERYTHING
        for width, wanted, dark in VARIANTS:
            if wanted == language:
                page.look(width=width, dark=dark)
                self.look(page, f"{name}-{width}-{language}-{'dark' if dark else 'light'}", width, language, rules)
                rules = LOOKS

    def look(self, page, name, width, language, rules):
        page.run("document.getAnimations().forEach(a => a.finish())")
        page.screenshot(os.path.join(self.folder, name + ".png"))
        self.shots += 1
        found = page.run(
            "const rules = arguments[0], done = arguments[1];"
            "axe.run(document, rules).then(r => done(r.violations.map("
            "v => v.id + ': ' + v.help + ' at ' + v.nodes.map(n => n.target.join(' ')).slice(0, 3).join(' | '))),"
            "e => done(['axe: ' + e]));", rules, wait=True)
        self.faults.extend(f"{name}: {violation}" for violation in found)
        wide, shown, heads, title, weight = page.run(
            "return [document.documentElement.scrollWidth, document.documentElement.lang,"
            " document.querySelectorAll('h1').length, document.title.trim(),"
            " [performance.getEntriesByType('navigation'), performance.getEntriesByType('resource')]"
            ".flat().reduce((all, e) => all + e.decodedBodySize, 0)]")
        if wide > width:
            self.faults.append(f"{name}: {wide} px wide on a screen of {width}")
        if shown != language:
            self.faults.append(f"{name}: not in this language")
        if heads != 1 or not title:
            self.faults.append(f"{name}: {heads} headings of the first level, title {title!r}")
        if weight > HEAVIEST:
            self.faults.append(f"{name}: {weight} octets")

    def found(self):
        return {"faults": self.faults, "shots": self.shots}
