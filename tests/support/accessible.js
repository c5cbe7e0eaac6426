// What is wrong with a page for people who do not see it, or not well; see accessible.py.
() => {
  const found = [];
  const seen = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const named = (element) => (element.getAttribute("aria-label") || element.textContent.trim()
    || [...(element.labels || [])].map((label) => label.textContent.trim()).join("")
    || (element.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(""));
  const tell = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 120)}`);
  for (const each of document.querySelectorAll("a, button, input, select, textarea, dialog, nav, [role=region], section"))
    if (seen(each) && !named(each)) tell("no name", each);
  for (const each of document.querySelectorAll("[role=img], img"))
    if (!each.hasAttribute("aria-label") && !each.hasAttribute("alt")) tell("no words", each);
  for (const each of document.querySelectorAll("[tabindex]"))
    if (each.tabIndex > 0) tell("out of order", each);
  for (const each of document.querySelectorAll("table"))
    if (!each.caption || [...each.querySelectorAll("th")].some((cell) => !cell.scope)) tell("a table without words", each);
  for (const each of document.querySelectorAll("[aria-hidden=true] :is(a, button, input, select, textarea)")) tell("hidden", each);
  for (const each of document.querySelectorAll("[aria-describedby]"))
    if (!document.getElementById(each.getAttribute("aria-describedby"))) tell("described by nothing", each);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  if (new Set(ids).size !== ids.length) found.push(`ids: ${ids}`);
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  let level = 1;
  for (const each of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
    if (Number(each.tagName[1]) > level + 1) tell("a heading too deep", each);
    level = Number(each.tagName[1]);
  }
  const parse = (color) => { const n = color.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !seen(element) || element.closest(":disabled, script, noscript, .unseen, svg")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(parse(style.color)), light(behind(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < least) tell(`contrast ${ratio.toFixed(2)}`, element);
  }
  for (const each of document.querySelectorAll("input:not([type=checkbox]), select, textarea")) {
    if (!seen(each)) continue;
    const edge = light(parse(getComputedStyle(each).borderTopColor));
    const [one, other] = [edge, light(behind(each.parentElement))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 3) tell(`edge ${ratio.toFixed(2)}`, each);
  }
  return found;
}
