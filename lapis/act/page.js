// What makes a task's page answer to a finger: a state, and attributes that change it or show it.
//   data-set="a=b;c=d"  a click sets        data-flip="key"  a click turns over     data-add="key=1"  a click adds
//   data-field="key"      what is typed     data-need="key"  a click counts only where this is not empty
//   data-on="key=value"   class `on` where equal             data-show="key=value"  hidden where not equal
//   data-say="key"        shows the value
// `step` is a place that the device's back button leaves. `events` counts what came from outside.
(start) => {
  const state = { ...start };
  const events = [];
  const pair = (text) => { const at = text.indexOf('='); return [text.slice(0, at), text.slice(at + 1)]; };
  const equal = (text) => { const [key, value] = pair(text); return String(state[key]) === value; };
  const each = (name, change) => document.querySelectorAll(`[data-${name}]`).forEach(
    (node) => change(node, node.dataset[name]));
  const show = () => {
    each('on', (node, text) => node.classList.toggle('on', equal(text)));
    each('show', (node, text) => { node.hidden = !equal(text); });
    each('say', (node, key) => { node.textContent = state[key]; });
  };
  const change = (node) => {
    const { set, flip, add, need } = node.dataset;
    if (need && !state[need]) return;
    if (flip) state[flip] = !state[flip];
    if (add) { const [key, by] = pair(add); state[key] += Number(by); }
    for (const [key, value] of set ? set.split(';').map(pair) : []) {
      state[key] = value;
      if (key === 'step') history.pushState({ step: value }, '');
    }
  };
  document.addEventListener('click', (event) => {
    const node = event.target.closest('[data-set],[data-flip],[data-add]');
    if (node) { change(node); show(); }
  });
  document.addEventListener('input', (event) => {
    const key = event.target.dataset.field;
    if (key) { state[key] = event.target.value; show(); }
  });
  addEventListener('popstate', (event) => { state.step = event.state ? event.state.step : start.step; show(); });
  for (const kind of ['pointerdown', 'pointerup', 'click', 'dblclick', 'keydown', 'input', 'wheel']) {
    document.addEventListener(kind, (event) => {
      events.push({ kind, x: event.clientX ?? 0, y: event.clientY ?? 0 });
    }, true);
  }
  const find = (selector) => {
    const node = document.querySelector(selector);
    const { x, y, width, height } = node.getBoundingClientRect();
    const hit = document.elementFromPoint(x + width / 2, y + height / 2);
    return { box: [x, y, width, height], seen: hit !== null && node.contains(hit) };
  };
  window.lapis = { state, events, find };
  show();
}
