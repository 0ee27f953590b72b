"""What a screen reader is told of pages, in reading order, and what each page weighs.

Task: login?, password, secret, pages: a list of {name, path}, folder (for the trees).
"""
import os

from common import TASK, browser, done
from person import log_in

# Roles that only hold others, and text inside what was just named.
SILENT = {"none", "generic", "InlineTextBox", "LineBreak", "StaticText", "ListMarker", "LayoutTableRow"}
result = {}


def told(page):
    """Role, name and state of every node that is told, indented by depth."""
    nodes = page.devtools("Accessibility.getFullAXTree")["nodes"]
    by_id = {n["nodeId"]: n for n in nodes}
    lines = []

    def walk(node, depth):
        role = node.get("role", {}).get("value", "")
        name = node.get("name", {}).get("value", "").strip()
        hidden = node.get("ignored", False)
        plain = role == "StaticText" and name and depth and name not in (lines[-1] if lines else "")
        if not hidden and (role not in SILENT or plain):
            said = [f"{p['name']}={p['value'].get('value')}" for p in node.get("properties", [])
                    if p["name"] in ("invalid", "required", "expanded", "checked", "level", "hasPopup")
                    and p["value"].get("value") not in (False, "false", None)]
            about = node.get("description", {}).get("value", "")
            lines.append("  " * depth + f"{role} “{name}”" + (f" ({', '.join(said)})" if said else "")
                         + (f" — {about}" if about else ""))
            depth += 1
        for child in node.get("childIds", []):
            if child in by_id:
                walk(by_id[child], depth)

    walk(nodes[0], 0)
    return lines


with browser() as page:
    if TASK.get("login"):
        log_in(page, TASK["login"], TASK["password"], TASK["secret"])
    for wanted in TASK["pages"]:
        page.go(TASK["base"] + wanted["path"])
        page.one("h1")
        lines = told(page)
        os.makedirs(TASK["folder"], exist_ok=True)
        with open(os.path.join(TASK["folder"], wanted["name"] + ".txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        weight = page.run(
            "return performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))"
            ".filter(e => !/\\.woff2?$/.test(e.name)).reduce((n, e) => n + e.decodedBodySize, 0)")
        result[wanted["name"]] = {"lines": lines, "weight": weight}
done(result)
