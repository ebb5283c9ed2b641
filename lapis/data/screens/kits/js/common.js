// Draws described pages (describe.py) in plain HTML, and holds what kits share. A kit's own file replaces `h` where it
// builds with a framework, `put` where it mounts its own way, `look` for its themes, and any of `parts`.
// `h(tag, attributes, children)` makes a node; `innerHTML` is an attribute like any other. What an icon is called stands in
// aria-label; text that may be asked for has data-fact.
window.lapis = (() => {
  const build = (tag, attributes, children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === 'innerHTML') node.innerHTML = value;
      else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value);
    }
    for (const child of [children ?? []].flat(9)) if (child !== null && child !== undefined && child !== '') node.append(child);
    return node;
  };
  const kit = {
    h: build,
    put: (root, home) => home.replaceChildren(root),
    look: (dark, hue) => {},
    known: (shape) => true,
    parts: {},
    page: {},
  };
  const h = (tag, attributes, children) => kit.h(tag, attributes, [children ?? []].flat(9).filter((one) => one !== null && one !== ''));
  const say = (en, zh) => (kit.page.lang === 'zh' ? zh : en);
  const many = (parts) => (parts || []).map(draw);
  const draw = (part) => (kit.parts[part.t] || basic[part.t])(part);

  const glyph = (name, cls) => h('i', { class: `bi bi-${name} k-i ${cls || ''}`, 'aria-hidden': 'true' });
  const called = (shape, name) => (kit.known(shape) ? name : undefined);  // a shape that stands for nothing has no name
  const icon = (part, cls) => h('button', { type: 'button', class: `k-icon ${cls || ''}`, 'aria-label': called(part.icon, part.name) }, [kit.glyph(part.icon)]);
  const fact = (words, told, cls) => h('span', { class: cls || '', 'data-fact': told ? JSON.stringify(told) : undefined }, [String(words)]);
  const button = (name, look) => h('button', { type: 'button', class: `k-button k-${look || 'main'}` }, [name]);
  const tones = (hue) => [`hsl(${hue} 55% 62%)`, `hsl(${(hue + 40) % 360} 60% 45%)`, `hsl(${(hue + 180) % 360} 50% 70%)`, `hsl(${(hue + 300) % 360} 45% 50%)`];
  const art = (hue, kind) => {  // an abstract picture: sky, hills and a disc, or fields
    const [a, b, c, d] = tones(hue);
    const high = 20 + (hue * 7) % 25, low = 45 + (hue * 13) % 20;
    const hills = `<path d="M0 ${low}Q25 ${high} 50 ${low}T100 ${low - 8}V75H0z" fill="${b}"/><path d="M0 ${low + 12}Q30 ${low - 8} 60 ${low + 8}T100 ${low + 4}V75H0z" fill="${d}"/>`;
    const disc = `<circle cx="${15 + (hue * 3) % 70}" cy="${12 + (hue * 5) % 18}" r="${6 + hue % 7}" fill="${c}"/>`;
    const body = kind % 2 ? `<rect x="${20 + hue % 20}" y="18" width="${26 + hue % 18}" height="40" rx="${hue % 12}" fill="${b}"/><circle cx="${60 + hue % 14}" cy="46" r="15" fill="${d}"/>` : disc + hills;
    return `<svg width="100%" height="100%" viewBox="0 0 100 75" preserveAspectRatio="xMidYMid slice" style="display:block;background:${a}" aria-hidden="true">${body}</svg>`;
  };
  // The name only picks a drawing: nobody could tell it from shapes, so that it is not told as a label either.
  const picture = (name, hue, cls, style) => h('div', { class: `k-picture ${cls || ''}`, style: style || '', innerHTML: art(hue, hue + (name || '').length), 'aria-hidden': 'true' });
  const avatar = (name, hue) => h('div', { class: 'k-avatar', style: `background:${tones(hue)[0]}`, 'aria-hidden': 'true' }, []);
  const toggle = (name, on) => h('button', { type: 'button', role: 'switch', 'aria-checked': String(on), 'aria-label': name, class: `k-switch ${on ? 'on' : ''}` }, [h('i', {})]);
  const tick = (name, on, kind) => h('button', { type: 'button', role: kind, 'aria-checked': String(on), 'aria-label': name, class: `k-tick k-${kind} ${on ? 'on' : ''}` });
  const counter = (name, count, told) => h('div', { class: 'k-counter' }, [
    h('button', { type: 'button', class: 'k-step', 'aria-label': say('Less', '减少') }, [kit.glyph('dash-lg')]),
    fact(count, told, 'k-count'),
    h('button', { type: 'button', class: 'k-step', 'aria-label': say('More of it', '增加') }, [kit.glyph('plus-lg')]),
  ]);
  const tag = (words) => (words ? h('span', { class: 'k-tag' }, [words]) : null);
  const titled = (title, body, cls) => h('section', { class: `k-section ${cls || ''}` }, [title ? h('h2', { class: 'k-title' }, [title]) : null, body]);

  const lead = (part) => {
    if (part.icon) return h('span', { class: 'k-lead', 'aria-hidden': 'true' }, [kit.glyph(part.icon)]);
    if (part.avatar !== undefined) return avatar(part.name, part.avatar);
    return part.picture !== undefined ? picture('', part.picture, 'k-thumb') : null;
  };
  const end = (part) => [
    part.value !== undefined ? fact(part.value, part.fact, 'k-value') : null,
    part.badge ? fact(part.badge, part.fact, 'k-badge') : null,
    part.switch !== undefined ? kit.toggle(part.name, part.switch) : null,
    part.count !== undefined ? kit.counter(part.name, part.count, part.value === undefined ? part.fact : null) : null,
    part.button ? kit.button(part.button, 'small') : null,
    part.arrow ? kit.glyph('chevron-right', 'k-arrow') : null,
  ];
  const start = (part) => [
    part.check !== undefined ? kit.tick(part.name, part.check, 'checkbox') : null,
    part.radio !== undefined ? kit.tick(part.name, part.radio, 'radio') : null,
  ];
  const control = (part) => {
    const name = { id: undefined, 'aria-label': part.name, placeholder: part.hint || undefined, class: `k-input k-${part.kind}` };
    if (part.kind === 'area') return h('textarea', { ...name, rows: 3, ...(part.value ? { innerHTML: part.value } : {}) });
    if (part.kind === 'select' || part.kind === 'date') {
      return h('div', { role: 'combobox', 'aria-label': part.name, 'aria-expanded': 'false', class: 'k-input k-pick', tabindex: 0 }, [
        h('span', { class: part.value ? '' : 'k-hint' }, [part.value || part.hint]), kit.glyph(part.kind === 'date' ? 'calendar' : 'chevron-down')]);
    }
    return h('input', { ...name, type: part.kind === 'password' ? 'password' : 'text', value: part.value });
  };

  const basic = {
    row: (p) => h('div', { role: 'listitem', 'aria-label': p.name, class: `k-row ${p.strong ? 'k-strong' : ''} ${p.large ? 'k-large' : ''}` }, [
      start(p), lead(p),
      h('div', { class: 'k-main' }, [
        h('div', { class: 'k-name' }, [h('span', {}, [p.name]), tag(p.tag)]),
        p.note ? h('div', { class: 'k-note' }, [fact(p.note, p.notefact)]) : null]),
      end(p)]),
    rows: (p) => titled(p.title, h('div', { role: 'list', class: 'k-list' }, many(p.items))),
    text: (p) => h('p', { class: `k-text k-${p.look || 'plain'}` }, [fact(p.words, p.fact)]),
    heading: (p) => h('h2', { class: 'k-heading' }, [p.words]),
    field: (p) => h('div', { class: 'k-field' }, [h('span', { class: 'k-label' }, [p.name]), control(p)]),
    form: (p) => h('div', { class: 'k-form' }, many(p.fields)),
    buttons: (p) => h('div', { class: `k-buttons ${p.stack ? 'k-stack' : ''} ${p.small ? 'k-few' : ''}` }, p.names.map((name, n) => kit.button(name, n ? 'other' : 'main'))),
    links: (p) => h('div', { class: 'k-links' }, p.names.map((name) => h('a', { href: '#', class: 'k-link' }, [name]))),
    checks: (p) => titled(p.name, h('div', { class: 'k-checks' }, p.items.map((one) => h('div', { class: 'k-choice' }, [kit.tick(one.name, one.on, 'checkbox'), h('span', {}, [one.name])])))),
    radios: (p) => titled(p.name, h('div', { role: 'radiogroup', 'aria-label': p.name, class: 'k-checks' }, p.names.map((name, n) => h('div', { class: 'k-choice' }, [kit.tick(name, n === p.at, 'radio'), h('span', {}, [name])])))),
    chips: (p) => titled(p.name, h('div', { class: 'k-chips' }, p.names.map((name, n) => h('button', { type: 'button', 'aria-pressed': p.at < 0 ? undefined : String(n === p.at), class: `k-chip ${n === p.at ? 'on' : ''}` }, [name])))),
    tabs: (p) => h('div', { role: 'tablist', class: 'k-tabs' }, p.names.map((name, n) => h('button', { type: 'button', role: 'tab', 'aria-selected': String(n === p.at), class: `k-tab ${n === p.at ? 'on' : ''}` }, [name]))),
    search: (p) => h('div', { class: 'k-search' }, [kit.glyph('search'), h('input', { type: 'search', 'aria-label': p.hint, placeholder: p.hint, value: p.value || undefined, class: 'k-find' })]),
    cards: (p) => h('div', { role: 'list', class: 'k-cards' }, p.items.map((one) => h('div', { role: 'listitem', 'aria-label': one.name, class: 'k-product' }, [
      picture('', one.hue, 'k-cover'),
      h('div', { class: 'k-name' }, [h('span', {}, [one.name]), tag(one.tag)]), h('div', { class: 'k-note' }, [one.note]),
      h('div', { class: 'k-line' }, [fact(one.price, one.fact, 'k-price'), one.button ? kit.button(one.button, 'small') : null])]))),
    card: (p) => h('div', { role: 'listitem', 'aria-label': p.name, class: 'k-card' }, [
      h('div', { class: 'k-line' }, [p.hue >= 0 ? picture('', p.hue, 'k-thumb') : null,
        h('div', { class: 'k-main' }, [h('div', { class: 'k-name' }, [p.name]), h('div', { class: 'k-note' }, [p.note]), tag(p.tag)]), fact(p.value, p.fact, 'k-price')]),
      h('div', { class: 'k-line k-last' }, p.names.map((name, n) => kit.button(name, n ? 'other' : 'small')))]),
    grid: (p) => h('div', { class: 'k-grid', style: `grid-template-columns:repeat(${p.columns},1fr)` }, p.items.map((one) => h('button', { type: 'button', class: 'k-cell' }, [kit.glyph(one.icon), h('span', {}, [one.name])]))),
    table: (p) => h('table', { class: 'k-table' }, [
      h('thead', {}, [h('tr', {}, p.columns.map((name) => h('th', { scope: 'col' }, [name])))]),
      h('tbody', {}, p.rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, [typeof cell === 'string' ? cell : fact(cell.words, cell.fact)])))))]),
    pages: (p) => h('nav', { class: 'k-pages' }, [
      icon({ icon: 'chevron-left', name: p.back }), [...Array(p.count).keys()].map((n) => h('button', { type: 'button', class: `k-chip ${n + 1 === p.at ? 'on' : ''}` }, [String(n + 1)])), icon({ icon: 'chevron-right', name: p.on })]),
    bubbles: (p) => h('div', { class: 'k-bubbles' }, [h('div', { class: 'k-time' }, [p.time]), p.items.map((one) => h('div', { class: `k-said ${one.mine ? 'mine' : ''}` }, [avatar('', one.mine ? (p.hue + 180) % 360 : p.hue), h('div', { class: 'k-bubble' }, [one.words])]))]),
    picture: (p) => picture(p.name, p.hue, 'k-wide', `height:${p.height}px`),
    gallery: (p) => h('div', { class: 'k-gallery', style: `grid-template-columns:repeat(${p.columns},1fr)` }, p.names.map((name, n) => picture(name, (p.hue + n * 47) % 360, 'k-square'))),
    progress: (p) => h('div', { class: 'k-progress' }, [h('div', { class: 'k-line' }, [h('span', {}, [p.name]), fact(`${p.value}%`, p.fact, 'k-value')]), kit.meter(p.name, p.value)]),
    slider: (p) => h('div', { class: 'k-progress' }, [h('div', { class: 'k-line' }, [h('span', {}, [p.name]), p.fact ? fact(p.value, p.fact, 'k-value') : null]), kit.slide(p.name, p.value)]),
    stats: (p) => h('div', { class: 'k-stats', style: `grid-template-columns:repeat(${p.items.length % 3 ? 2 : 3},1fr)` }, p.items.map((one) => h('div', { class: 'k-stat' }, [fact(one.value, one.fact, 'k-number'), h('div', { class: 'k-note' }, [one.name])]))),
    steps: (p) => h('ol', { class: 'k-steps' }, p.names.map((name, n) => h('li', { class: `k-stage ${n < p.at ? 'done' : ''} ${n === p.at ? 'on' : ''}` }, [h('b', { 'aria-hidden': 'true' }), h('span', {}, [name])]))),
    calendar: (p) => h('div', { class: 'k-calendar' }, [
      h('div', { class: 'k-line' }, [icon({ icon: 'chevron-left', name: p.back }), h('b', {}, [p.title]), icon({ icon: 'chevron-right', name: p.on })]),
      h('div', { class: 'k-days' }, [p.week.map((day) => h('span', { class: 'k-note' }, [day])), [...Array(p.first).keys()].map(() => h('span', {})),
        [...Array(p.days).keys()].map((n) => h('button', { type: 'button', 'aria-roledescription': 'day', class: `k-day ${n + 1 === p.at ? 'on' : ''}` }, [String(n + 1)]))])]),
    notice: (p) => h('div', { class: 'k-notice', role: 'note' }, [kit.glyph('megaphone'), h('span', {}, [p.words])]),
    rate: (p) => h('div', { class: 'k-rate' }, [h('span', { class: 'k-label' }, [p.name]), h('span', { class: 'k-stars', role: 'img', 'aria-label': `${p.name} ${p.value}/5` }, [...Array(5).keys()].map((n) => kit.glyph(n < p.value ? 'star-fill' : 'star')))]),
    bars: (p) => titled(p.name, h('div', { class: 'k-bars' }, p.items.map((one) => h('div', { class: 'k-column' }, [h('small', {}, [String(one.value)]), h('i', { style: `height:${one.value * 0.8}px`, 'aria-hidden': 'true' }), h('small', { class: 'k-note' }, [one.name])])))),
    map: (p) => h('div', { class: 'k-map' }, [
      h('div', { class: 'k-ground', 'aria-hidden': 'true', innerHTML: streets(p.hue) }),
      p.pins.map((name, n) => h('button', { type: 'button', class: 'k-pin', style: `left:${12 + ((p.hue + n * 110) % 300) / 5}%;top:${14 + n * 27}%` }, [kit.glyph('geo-alt-fill'), h('span', {}, [name])])),
      h('div', { class: 'k-corner' }, p.icons.map((one) => icon(one)))]),
    tools: (p) => h('div', { role: 'toolbar', class: `k-tools ${p.big ? 'k-big' : ''}` }, p.items.map((one) => icon(one))),
    person: (p) => h('div', { class: `k-person ${p.small ? 'k-less' : ''}` }, [avatar(p.name, p.hue), h('div', { class: 'k-main' }, [h('div', { class: 'k-who' }, [p.name]), h('div', { class: 'k-note' }, [p.note])])]),
    brand: (p) => h('div', { class: 'k-brand' }, [p.hue >= 0 ? h('div', { class: 'k-logo', 'aria-hidden': 'true', innerHTML: art(p.hue, 1) }) : null, h('h2', {}, [p.name]), h('div', { class: 'k-note' }, [p.note])]),
    hero: (p) => h('div', { class: 'k-hero', style: `background:linear-gradient(${p.hue}deg,hsl(${p.hue} 60% 38%),hsl(${(p.hue + 40) % 360} 55% 48%))` }, [h('div', {}, [p.name]), h('div', { class: 'k-huge' }, [p.icon ? kit.glyph(p.icon) : null, h('span', {}, [p.words])]), h('div', {}, [p.note])]),
    comment: (p) => h('article', { class: 'k-comment' }, [avatar(p.name, p.hue), h('div', { class: 'k-main' }, [
      h('div', { class: 'k-line' }, [h('b', {}, [p.name]), h('span', { class: 'k-note' }, [p.note])]),
      p.stars ? h('span', { class: 'k-stars', 'aria-hidden': 'true' }, [...Array(5).keys()].map((n) => kit.glyph(n < p.stars ? 'star-fill' : 'star'))) : null,
      h('p', { class: 'k-text' }, [p.words]),
      h('div', { class: 'k-line k-from' }, [h('button', { type: 'button', class: 'k-icon', 'aria-label': called('hand-thumbs-up', say('Like', '点赞')) }, [kit.glyph('hand-thumbs-up')]), fact(p.likes, p.fact), p.reply ? h('a', { href: '#', class: 'k-link' }, [p.reply]) : null])])]),
    post: (p) => h('article', { class: 'k-card' }, [
      h('div', { class: 'k-person k-less' }, [avatar(p.name, p.hue), h('div', { class: 'k-main' }, [h('div', { class: 'k-who' }, [p.name]), h('div', { class: 'k-note' }, [p.note])])]),
      h('p', { class: 'k-text' }, [p.words]), p.picture ? picture(p.picture, p.hue, 'k-wide', 'height:150px') : null,
      h('div', { class: 'k-line k-from' }, [p.actions.map((one, n) => [icon(one), n ? null : fact(p.likes, p.fact)])])]),
    crumbs: (p) => h('nav', { class: 'k-crumbs' }, p.names.map((name, n) => (n + 1 < p.names.length ? [h('a', { href: '#', class: 'k-link' }, [name]), h('span', { 'aria-hidden': 'true' }, ['/'])] : h('span', {}, [name])))),
    compose: (p) => h('div', { class: 'k-compose' }, [(p.icons || []).map((one) => icon(one)), h('input', { type: 'text', 'aria-label': p.hint, placeholder: p.hint, class: 'k-input' }), kit.button(p.send, 'small')]),
    total: (p) => h('div', { class: 'k-total' }, [
      p.all ? h('div', { class: 'k-choice' }, [kit.tick(p.all, p.on, 'checkbox'), h('span', {}, [p.all])]) : null,
      h('div', { class: 'k-main k-sum' }, [h('span', {}, [p.label]), h('b', { class: 'k-price' }, [p.words])]), kit.button(p.button, 'small')]),
    bar: (p) => h('div', { class: 'k-total' }, [p.icons.map((one) => h('button', { type: 'button', class: 'k-cell k-small' }, [kit.glyph(one.icon), h('span', {}, [one.name])])), h('div', { class: 'k-buttons k-main' }, p.names.map((name, n) => kit.button(name, n ? 'main' : 'other')))]),

    dialog: (p) => over('center', h('div', { role: 'dialog', 'aria-modal': 'true', class: 'k-dialog' }, [h('h2', {}, [p.title]), h('p', { class: 'k-text' }, [p.words]), h('div', { class: 'k-buttons' }, [kit.button(p.no, 'other'), kit.button(p.yes, 'main')])])),
    prompt: (p) => over('center', h('div', { role: 'dialog', 'aria-modal': 'true', class: 'k-dialog' }, [h('h2', {}, [p.title]), h('input', { type: 'password', class: 'k-input', 'aria-label': p.hint, placeholder: p.hint }), h('div', { class: 'k-buttons' }, [kit.button(p.no, 'other'), kit.button(p.yes, 'main')])])),
    sheet: (p) => over('end', h('div', { role: 'dialog', 'aria-modal': 'true', class: 'k-sheet' }, [p.title ? h('h2', {}, [p.title]) : null, p.names.map((name) => h('button', { type: 'button', class: 'k-option' }, [name])), h('button', { type: 'button', class: 'k-option k-cancel' }, [p.cancel])])),
    menu: (p) => h('div', { class: 'k-menu-home' }, [h('div', { role: 'menu', class: 'k-menu' }, p.names.map((name) => h('button', { type: 'button', role: 'menuitem', class: 'k-option' }, [name])))]),
    toast: (p) => h('div', { class: 'k-toast-home' }, [h('div', { role: 'status', class: 'k-toast' }, [kit.glyph('check-lg'), h('span', {}, [p.words])])]),
    keys: (p) => h('div', { class: 'k-keyboard', 'aria-label': say('Keyboard', '键盘') }, p.rows.map((row) => h('div', { class: 'k-keys' }, row.map((key) => h('button', { type: 'button', 'aria-roledescription': 'key', class: `k-key ${key.length > 1 ? 'k-long' : ''}`, style: key.length > 4 ? 'flex:4' : '' }, [key]))))),
  };
  const over = (where, node) => h('div', { class: `k-over k-${where}` }, [node]);
  const streets = (hue) => {
    const roads = [...Array(7).keys()].map((n) => `<path d="M${(hue * (n + 3)) % 100} 0L${(hue * (n + 5) + 30) % 100} 60" stroke="#fff" stroke-width="${1 + n % 3}"/><path d="M0 ${(hue * (n + 2)) % 60}L100 ${(hue * (n + 4)) % 60}" stroke="#fff" stroke-width="${1 + (n + 1) % 3}"/>`).join('');
    return `<svg width="100%" height="100%" viewBox="0 0 100 60" preserveAspectRatio="xMidYMid slice" style="display:block;background:#e6e8e0"><rect x="${hue % 60}" y="8" width="24" height="16" fill="#c5dfb4"/><path d="M0 52Q40 ${35 + hue % 20} 100 50V60H0z" fill="#a9cbe8"/>${roads}</svg>`;
  };
  kit.glyph = glyph;
  kit.button = button;
  kit.toggle = toggle;
  kit.tick = tick;
  kit.counter = counter;
  kit.meter = (name, value) => h('div', { role: 'progressbar', 'aria-label': name, 'aria-valuenow': value, class: 'k-meter' }, [h('i', { style: `width:${value}%` })]);
  kit.slide = (name, value) => h('input', { type: 'range', 'aria-label': name, value, min: 0, max: 100, class: 'k-slide' });

  basic.header = (page) => h('header', { class: 'k-header' }, [
    page.back ? icon({ icon: 'chevron-left', name: say('Back', '返回') }) : null, h('h1', { class: 'k-bar' }, [page.title]),
    page.actions.map((one) => icon(one))]);
  basic.nav = (page) => h('nav', { role: 'tablist', class: 'k-nav' }, page.tabs.map(([shape, name], n) => h('button', { type: 'button', role: 'tab', 'aria-selected': String(n === page.at), class: `k-tab ${n === page.at ? 'on' : ''}` }, [kit.glyph(shape), h('span', {}, [name])])));
  basic.side = (page) => basic.nav(page);

  const tree = (page) => {
    const wide = page.device === 'desktop' && page.tabs.length;
    const body = h('main', { class: 'k-body' }, [h('div', { class: 'k-flow' }, many(page.body))]);
    const foot = page.foot.length ? h('footer', { class: 'k-foot' }, many(page.foot)) : null;
    return h('div', { class: `k-page k-${page.device}` }, [
      page.bare ? null : draw({ ...page, t: 'header' }),
      wide ? h('div', { class: 'k-split' }, [draw({ ...page, t: 'side' }), body]) : body, foot,
      !wide && page.tabs.length ? draw({ ...page, t: 'nav' }) : null,
      page.overlay ? draw(page.overlay) : null, page.keyboard ? draw({ t: 'keys', rows: page.keyboard }) : null]);
  };

  // Draws a page and scrolls it; says how much of it lies beyond the screen.
  const show = async (page) => {
    kit.page = page;
    const root = document.documentElement;
    root.lang = page.lang === 'zh' ? 'zh-CN' : 'en';
    root.className = page.dark ? 'dark' : '';
    root.style.setProperty('--k-accent', `hsl(${page.hue} ${page.dark ? 65 : 75}% ${page.dark ? 62 : 40}%)`);
    root.style.setProperty('--k-accent-rgb', '');
    root.style.setProperty('--k-family', page.family);
    kit.look(page.dark, page.hue);
    kit.put(tree(page), document.getElementById('app'));
    await (kit.settle ? kit.settle() : null);
    const body = document.querySelector('.k-body');
    const spare = body.scrollHeight - body.clientHeight;
    body.scrollTop = Math.round(page.scroll * spare);
    return spare;
  };
  Object.assign(kit, { basic, draw, many, hh: h, icon, fact, avatar, picture, lead, start, end, tag, titled, say, show, tones, control });
  return kit;
})();
