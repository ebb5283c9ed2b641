// Puts every screen of a sheet into its own box (its styles kept in by a shadow root, its pixels independent of its
// place by a layer of its own) and reports, for each, what can
// be seen: elements with data-role, words and lines of text, all in pixels of that screen. An element is left out
// where less than 90% of it lies inside the screen and its clipping ancestors, where something else is on top of its
// centre, or where some of its text is not wholly visible.
(asked) => {  // JSON in and out: much cheaper than the driver's own encoding of objects
  const WORD = /[\u2e80-\u9fff\uff00-\uffef]{1,6}|[^\s\u2e80-\u9fff\uff00-\uffef]+/gu;
  const round = (n) => Math.round(n * 100) / 100;

  const area = (r) => Math.max(0, r.right - r.left) * Math.max(0, r.bottom - r.top);
  const meet = (a, b) => ({
    left: Math.max(a.left, b.left), top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right), bottom: Math.min(a.bottom, b.bottom),
  });

  const measure = (host) => {
    const root = host.shadowRoot;
    const home = host.getBoundingClientRect();
    const clips = new Map([[null, home]]);
    const clip = (node) => {
      if (!clips.has(node)) {
        const outer = clip(node.parentElement);
        const cuts = getComputedStyle(node).overflow !== 'visible';
        clips.set(node, cuts ? meet(outer, node.getBoundingClientRect()) : outer);
      }
      return clips.get(node);
    };
    const inside = (rect, node) => {
      const seen = meet(rect, clip(node));
      return area(rect) > 0 && area(seen) >= 0.9 * area(rect) ? seen : null;
    };
    const onTop = (x, y, node) => {
      const hit = root.elementFromPoint(x, y);
      return hit !== null && node.contains(hit);
    };
    const box = (r) => [round(r.left - home.left), round(r.top - home.top), round(r.right - r.left),
      round(r.bottom - r.top)];

    const pieces = (node, from, to) => {  // rectangles of a run of characters: one a line
      const range = document.createRange();
      const rects = (a, b) => { range.setStart(node, a); range.setEnd(node, b); return [...range.getClientRects()]; };
      const whole = rects(from, to);
      if (whole.length === 1) return [[from, to, whole[0]]];
      const out = [];
      for (let at = from; at < to; at++) {
        const one = rects(at, at + 1)[0];
        const last = out[out.length - 1];
        if (one === undefined) continue;
        if (last && Math.abs(last[2].top - one.top) < one.height / 2) {
          last[1] = at + 1;
          last[2] = { left: last[2].left, top: last[2].top, right: one.right, bottom: last[2].bottom };
        } else out.push([at, at + 1, { left: one.left, top: one.top, right: one.right, bottom: one.bottom }]);
      }
      return out;
    };
    const tight = (rect, size) => {  // fonts with Chinese claim far more height than their glyphs take
      const spare = Math.floor(Math.max(0, rect.bottom - rect.top - 1.15 * size) * 32) / 64;  // exact wherever it is
      return { left: rect.left, right: rect.right, top: rect.top + spare, bottom: rect.bottom - spare };
    };
    const visible = (rect, parent) => {
      const y = (rect.top + rect.bottom) / 2;
      return inside(rect, parent) && [0.1, 0.5, 0.9].every(
        (share) => onTop(rect.left + share * (rect.right - rect.left), y, parent));
    };

    const edges = (node, from, to) => {  // right edges of a word's characters, where they differ in width
      if (to - from < 2 || node.data.charCodeAt(from) >= 0x2e80) return [];
      const range = document.createRange();
      return Array.from({ length: to - from }, (_, at) => {
        range.setStart(node, from + at); range.setEnd(node, from + at + 1);
        return round(range.getBoundingClientRect().right - home.left);
      });
    };

    const words = [], letters = [], lines = [], torn = [], behind = [], owners = [], cut = new Set();
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.data.trim() || !node.parentElement || node.parentElement.tagName === 'STYLE') continue;
      const size = parseFloat(getComputedStyle(node.parentElement).fontSize);
      const rows = [];
      for (const match of node.data.matchAll(WORD)) {
        for (const [from, to, drawn] of pieces(node, match.index, match.index + match[0].length)) {
          const rect = tight(drawn, size), clear = Boolean(visible(rect, node.parentElement));
          let row = rows[rows.length - 1];
          if (row && Math.abs(row.rect.top - rect.top) < 2) {
            row.rect = { ...row.rect, right: rect.right, bottom: Math.max(row.rect.bottom, rect.bottom) };
          } else rows.push(row = { node, from, rect, whole: true, some: false });
          row.to = to;
          row.whole &&= clear;
          row.some ||= clear;
          if (!clear) continue;
          words.push([node.data.slice(from, to), ...box(rect)]);
          letters.push(edges(node, from, to));
          owners.push(node.parentElement);
        }
      }
      lines.push(...rows.filter((row) => row.whole));
      torn.push(...rows.filter((row) => row.some && !row.whole));
      if (!rows.every((row) => row.whole)) {
        cut.add(node.parentElement);
        behind.push(node.data.trim());
      }
    }

    const elements = [], partial = new Set();
    for (const node of root.querySelectorAll('[data-role]')) {
      const rect = node.getBoundingClientRect();
      const seen = node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && inside(rect, node.parentElement);
      const whole = seen && onTop((rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2, node)
        && ![...cut].some((parent) => node.contains(parent));
      if (!whole) { partial.add(node.dataset.role); continue; }
      const mine = words.map((_, n) => n).filter((n) => node.contains(owners[n]));
      elements.push({
        role: node.dataset.role, name: node.dataset.name || '', of: node.dataset.of || '',
        fact: node.dataset.fact ? JSON.parse(node.dataset.fact) : null,
        text: node.innerText.replace(/\s+/g, ' ').trim(), box: box(seen), words: mine,
      });
    }
    const told = (row) => [row.node.data.slice(row.from, row.to), ...box(row.rect)];
    return {
      elements, words, letters, behind, partial: [...partial], lines: lines.map(told), torn: torn.map(told),
    };
  };

  document.body.replaceChildren();
  const hosts = JSON.parse(asked).map((screen) => {
    const host = document.createElement('div');
    host.style.cssText = `position:absolute;overflow:hidden;contain:strict;will-change:transform;left:${screen.x}px;top:${screen.y}px;`
      + `width:${screen.width}px;height:${screen.height}px`;
    host.attachShadow({ mode: 'open' }).innerHTML = screen.html;
    document.body.append(host);
    return host;
  });
  return JSON.stringify(hosts.map(measure));
}
