// Draws elements in another colour until `lapisRestore()`: [number of what is drawn, number of the element, role] each.
(asked) => {
  const kept = [], ranges = [];
  const find = (n, root = document) => {
    const found = root.querySelector(`[data-n="${n}"]`);
    if (found) return found;
    for (const host of root.querySelectorAll('*')) {
      const inner = host.shadowRoot && find(n, host.shadowRoot);
      if (inner) return inner;
    }
    return null;
  };
  const paint = (node, name, value) => node.style.setProperty(name, value, 'important');
  for (const [drawn, own, role] of asked) {
    const node = find(drawn);
    if (['text', 'value', 'heading'].includes(role)) {
      const walker = document.createTreeWalker(find(own), NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        ranges.push(range);
      }
      continue;
    }
    const drawing = role === 'item' ? [node] : [node, ...node.querySelectorAll('*')];
    for (const one of role === 'image' ? [node] : drawing) {
      kept.push([one, one.getAttribute('style')]);
      if (role === 'image') paint(one, 'filter', 'invert(1)');
      else paint(one, 'background', '#f0f');
    }
  }
  const sheet = document.createElement('style');
  sheet.textContent = '::highlight(lapis) { color: #f0f !important; -webkit-text-fill-color: #f0f }';
  document.head.append(sheet);
  CSS.highlights.set('lapis', new Highlight(...ranges));
  window.lapisRestore = () => {
    CSS.highlights.clear();
    sheet.remove();
    for (const [node, style] of kept) {
      if (style === null) node.removeAttribute('style');
      else node.setAttribute('style', style);
    }
  };
}
