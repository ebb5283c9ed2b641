// What can be seen of the page that stands in the viewport, in CSS pixels of it. Gives every element its number
// (`data-n`, depth first, shadow trees before a host's own children) and reports by that number: the box that is left
// of it inside its clipping ancestors, and whether it is wholly there and on top at its middle and near its corners
// (3), seen in part or covered (1), or not to be seen (0). An invisible checkbox or radio is looked for in its parent,
// which draws it. Words, lines and letters as in measure.js; text of fields is measured in a copy beside them. `torn` are
// lines that are read in part only, `spare` is how far the page can be scrolled up and down, `over` says whether all
// that can be read stands on a dialogue (alone), or also beside one (among).
() => {
  const WORD = /[\u2e80-\u9fff\uff00-\uffef]{1,6}|[^\s\u2e80-\u9fff\uff00-\uffef]+/gu;
  const round = (n) => Math.round(n * 100) / 100;
  const area = (r) => Math.max(0, r.right - r.left) * Math.max(0, r.bottom - r.top);
  const meet = (a, b) => ({ left: Math.max(a.left, b.left), top: Math.max(a.top, b.top), right: Math.min(a.right, b.right), bottom: Math.min(a.bottom, b.bottom) });
  const view = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  const up = (node) => node.assignedSlot || node.parentElement || (node.getRootNode() instanceof ShadowRoot ? node.getRootNode().host : null);

  const all = [], ends = [], numbers = new Map();
  const walk = (root) => {
    for (const node of root.children) {
      const n = all.push(node) - 1;
      numbers.set(node, n);
      node.setAttribute('data-n', n);
      if (node.shadowRoot) walk(node.shadowRoot);
      walk(node);
      ends[n] = all.length - 1;
    }
  };
  walk(document);

  const styles = new Map();
  const style = (node) => {
    if (!styles.has(node)) styles.set(node, getComputedStyle(node));
    return styles.get(node);
  };
  const clips = new Map([[null, view]]);
  const clip = (node) => {  // of what stands in the node
    if (!clips.has(node)) {
      const outer = around(node);
      const s = style(node);
      const cuts = (s.overflowX !== 'visible' || s.overflowY !== 'visible') && s.display !== 'inline' && s.display !== 'contents';
      clips.set(node, cuts && node !== document.documentElement && node !== document.body ? meet(outer, node.getBoundingClientRect()) : outer);
    }
    return clips.get(node);
  };
  const around = (node) => {  // of the node itself
    const position = style(node).position;
    if (position === 'fixed') return view;
    let outer = up(node);
    while (position === 'absolute' && outer && style(outer).position === 'static' && style(outer).transform === 'none') outer = up(outer);
    return clip(outer);
  };
  const hit = (x, y) => {
    let found = document.elementFromPoint(x, y);
    for (let inner = found; inner && inner.shadowRoot; found = inner) {
      inner = inner.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === found) break;
    }
    return found;
  };
  const onTop = (x, y, node) => {
    for (let found = hit(x, y); found; found = up(found)) if (found === node) return true;
    return false;
  };
  const bare = (x, y, node) => {  // text, also where only an empty pseudo-element of what is close around it lies above
    const found = hit(x, y), near = up(node);
    return onTop(x, y, node) || (found !== null && near !== null && (found === near || found === up(near)));
  };
  const FAINT = 0.1, left = new Map([[null, 1]]);
  const opacity = (node) => {  // its own and that of all around it
    if (!left.has(node)) left.set(node, parseFloat(style(node).opacity) * opacity(up(node)));
    return left.get(node);
  };
  const shown = (node) => node.checkVisibility({ visibilityProperty: true }) && opacity(node) >= FAINT;
  const INSET = [[0.5, 0.5], [0.15, 0.2], [0.85, 0.2], [0.15, 0.8], [0.85, 0.8]];
  const standing = (node) => {  // an invisible control is drawn by what is around it
    const hidden = node.matches('input[type=checkbox],input[type=radio]') && (!shown(node) || area(node.getBoundingClientRect()) < 30 || node.getBoundingClientRect().right < -500);
    const home = hidden ? up(node) : null;
    return home && !home.innerText.trim() && area(home.getBoundingClientRect()) >= 30 ? home : node;
  };

  const elements = all.map((node, n) => {
    const place = standing(node);
    const rect = place.getBoundingClientRect();
    const seen = meet(rect, around(place));
    if (area(rect) < 1 || area(seen) < 1 || !shown(place)) return 0;
    const whole = area(seen) >= 0.9 * area(rect) && rect.right - rect.left >= 4 && rect.bottom - rect.top >= 4 && INSET.every(
      ([x, y]) => onTop(seen.left + x * (seen.right - seen.left), seen.top + y * (seen.bottom - seen.top), place));
    return [numbers.get(place), round(seen.left), round(seen.top), round(seen.right - seen.left), round(seen.bottom - seen.top), whole ? 3 : 1, ends[n]];
  });

  const words = [], letters = [], owners = [], lines = [], torn = [], behind = [], cut = new Set();
  const tight = (rect, size) => {
    const spare = Math.max(0, rect.bottom - rect.top - 1.15 * size) / 2;
    return { left: rect.left, right: rect.right, top: rect.top + spare, bottom: rect.bottom - spare };
  };
  const range = document.createRange();
  const rects = (node, a, b) => { range.setStart(node, a); range.setEnd(node, b); return [...range.getClientRects()]; };
  const pieces = (node, from, to) => {  // rectangles of a run of characters: one a line
    const whole = rects(node, from, to);
    if (whole.length === 1) return [[from, to, whole[0]]];
    const out = [];
    for (let at = from; at < to; at++) {
      const one = rects(node, at, at + 1)[0];
      const last = out[out.length - 1];
      if (one === undefined) continue;
      if (last && Math.abs(last[2].top - one.top) < one.height / 2) {
        last[1] = at + 1;
        last[2] = { left: last[2].left, top: last[2].top, right: one.right, bottom: last[2].bottom };
      } else out.push([at, at + 1, { left: one.left, top: one.top, right: one.right, bottom: one.bottom }]);
    }
    return out;
  };
  const edges = (node, from, to, across) => {
    if (to - from < 2 || node.data.charCodeAt(from) >= 0x2e80) return [];
    return Array.from({ length: to - from }, (_, at) => {
      range.setStart(node, from + at); range.setEnd(node, from + at + 1);
      return round(range.getBoundingClientRect().right + across);
    });
  };
  const pressed = (owner) => {  // text that ends in dots where its box ends
    let home = owner;
    while (home && style(home).display === 'inline') home = up(home);
    if (home === null) return false;
    const wide = style(home).textOverflow === 'ellipsis' && home.scrollWidth > home.clientWidth;
    return wide || (style(home).webkitLineClamp !== 'none' && home.scrollHeight > home.clientHeight);
  };
  const read = (node, owner, across, down, bounds) => {  // a text node, moved by so much, inside these bounds
    const size = parseFloat(style(owner).fontSize), short = pressed(owner), rows = [];
    for (const match of node.data.matchAll(WORD)) {
      for (const [from, to, drawn] of pieces(node, match.index, match.index + match[0].length)) {
        const rect = tight({ left: drawn.left + across, right: drawn.right + across, top: drawn.top + down, bottom: drawn.bottom + down }, size);
        const seen = meet(rect, bounds), y = (rect.top + rect.bottom) / 2;
        const clear = area(seen) > 0 && area(seen) >= 0.9 * area(rect) && [0.1, 0.5, 0.9].every((share) => bare(rect.left + share * (rect.right - rect.left), y, owner));
        let row = rows[rows.length - 1];
        if (row && Math.abs(row.rect.top - rect.top) < 2) row.rect = { ...row.rect, right: rect.right, bottom: Math.max(row.rect.bottom, rect.bottom) };
        else rows.push(row = { text: node.data, owner, from, rect, whole: !short, clear: 0, seen: 0 });
        row.to = to;
        row.whole &&= clear;
        row.clear += clear;
        row.seen += area(seen);
        if (!clear) continue;
        words.push([node.data.slice(from, to), round(rect.left), round(rect.top), round(rect.right - rect.left), round(rect.bottom - rect.top)]);
        letters.push(edges(node, from, to, across));
        owners.push(numbers.get(owner));
      }
    }
    for (const row of rows) keep(row, node);
    if (!rows.every((row) => row.whole)) cut.add(numbers.get(owner));
  };
  const keep = (row, node) => {  // a line of which a part is hidden would read as another: it only counts as being there
    if (row.whole) lines.push(row);
    else if (row.seen) behind.push(node.data.trim());
    if (!row.whole && (row.clear || row.seen > 0.5 * area(row.rect))) torn.push(row);
  };
  const FONT = ['fontFamily', 'fontSize', 'fontWeight', 'fontStyle', 'letterSpacing', 'lineHeight', 'textAlign', 'textTransform', 'wordSpacing', 'textIndent', 'direction'];
  const field = (node) => {  // what a field shows lies in a tree of the browser's own: it is set again beside it and measured there
    const dots = node.type === 'password' && node.value;
    const text = node.tagName === 'SELECT' ? node.selectedOptions[0]?.text : node.value || node.placeholder;
    if (!text || dots || !shown(node)) return;
    const s = style(node), rect = node.getBoundingClientRect(), copy = document.createElement('div');
    for (const name of FONT) copy.style[name] = s[name];
    const many = node.tagName === 'TEXTAREA';
    const edge = (side) => parseFloat(s[`padding${side}`]) + parseFloat(s[`border${side}Width`]);
    const inner = { left: rect.left + edge('Left'), top: rect.top + edge('Top'), right: rect.right - edge('Right'), bottom: rect.bottom - edge('Bottom') };
    copy.style.cssText += `;position:fixed;left:${inner.left}px;top:0;width:${inner.right - inner.left}px;margin:0;padding:0;border:0;visibility:hidden;white-space:${many ? 'pre-wrap' : 'pre'};overflow-wrap:break-word`;
    copy.textContent = text;
    document.body.append(copy);
    const tall = copy.getBoundingClientRect().height;
    const down = many ? inner.top - node.scrollTop : (inner.top + inner.bottom) / 2 - tall / 2;
    read(copy.firstChild, node, 0, down, meet(inner, around(node)));
    copy.remove();
  };
  const hushed = (node) => {  // pictures made of letters: icon fonts
    for (let at = node; at; at = up(at)) if (at.getAttribute('aria-hidden') === 'true' && at.tagName === 'I') return true;
    return false;
  };
  const inked = (owner) => {  // letters without a colour are seen by a shadow, edges, or a background in their shape alone
    const s = style(owner);
    if (!/^rgba.*, 0\)$|\/ 0\)$/.test(s.webkitTextFillColor) || s.textShadow !== 'none' || parseFloat(s.webkitTextStrokeWidth) > 0) return true;
    for (let at = owner; at; at = up(at)) if (style(at).webkitBackgroundClip.includes('text')) return true;
    return false;
  };
  for (const owner of all) {
    if (owner.tagName === 'STYLE' || owner.tagName === 'SCRIPT' || owner.tagName === 'TITLE' || owner.tagName === 'NOSCRIPT') continue;
    if (owner.tagName === 'TEXTAREA' || (owner.tagName === 'SELECT' && owner.size < 2 && !owner.multiple) || (owner.tagName === 'INPUT' && /^(text|search|email|tel|url|number|password|)$/.test(owner.type))) { field(owner); continue; }
    for (const node of owner.childNodes) {
      if (node.nodeType !== 3 || !node.data.trim() || !elements[numbers.get(owner)] || hushed(owner) || !inked(owner)) continue;
      read(node, owner, 0, 0, clip(owner));
    }
  }
  const modal = all.find((node, n) => elements[n] && node.matches('dialog:modal,[aria-modal=true],[role=dialog],[role=alertdialog]'));
  const mine = (line) => { for (let at = line.owner; at; at = up(at)) if (at === modal) return true; return false; };
  const spare = { up: 0, down: 0 };
  all.forEach((node, n) => {  // how far the page, or a large part of it, can be scrolled
    const large = elements[n] && elements[n][3] * elements[n][4] > 0.25 * area(view) && /auto|scroll/.test(style(node).overflowY);
    if (!large && (node !== document.scrollingElement || style(node).overflowY === 'hidden')) return;
    spare.up = Math.max(spare.up, Math.round(node.scrollTop));
    spare.down = Math.max(spare.down, Math.round(node.scrollHeight - node.clientHeight - node.scrollTop));
  });
  const told = (row) => [row.text.slice(row.from, row.to), round(row.rect.left), round(row.rect.top), round(row.rect.right - row.rect.left), round(row.rect.bottom - row.rect.top)];
  return JSON.stringify({
    elements, words, letters, owners, behind, spare, cut: [...cut], lines: lines.map(told), torn: torn.map(told),
    over: modal ? (lines.every(mine) ? 'alone' : 'among') : '',
  });
}
