// Bootstrap 5: pages on phones, tablets and desktops.
(() => {
  const k = lapis, h = k.hh;
  k.look = (dark) => document.documentElement.setAttribute('data-bs-theme', dark ? 'dark' : 'light');
  let ids = 0;
  k.toggle = (name, on) => h('div', { class: 'form-check form-switch m-0' }, [h('input', { class: 'form-check-input', type: 'checkbox', role: 'switch', checked: on ? '' : undefined, 'aria-label': name })]);
  k.tick = (name, on, kind) => h('input', { class: 'form-check-input flex-shrink-0 m-0', type: kind, checked: on ? '' : undefined, 'aria-label': name });
  k.button = (name, look) => h('button', { type: 'button', class: `btn ${look === 'other' ? 'btn-outline-primary' : 'btn-primary'} ${look === 'small' ? 'btn-sm' : ''}` }, [name]);
  k.meter = (name, value) => h('div', { class: 'progress', role: 'progressbar', 'aria-label': name, 'aria-valuenow': value }, [h('div', { class: 'progress-bar', style: `width:${value}%` })]);
  k.slide = (name, value) => h('input', { type: 'range', class: 'form-range', 'aria-label': name, value });
  k.counter = (name, count, told) => h('div', { class: 'btn-group btn-group-sm align-items-center' }, [
    h('button', { type: 'button', class: 'btn btn-outline-secondary', 'aria-label': k.say('Less', '减少') }, [k.glyph('dash')]),
    k.fact(count, told, 'px-3'), h('button', { type: 'button', class: 'btn btn-outline-secondary', 'aria-label': k.say('More of it', '增加') }, [k.glyph('plus')])]);
  const control = (p, id) => {
    const common = { id, placeholder: p.hint, class: p.kind === 'select' ? 'form-select' : 'form-control' };
    if (p.kind === 'area') return h('textarea', { ...common, rows: 3, innerHTML: p.value || '' });
    if (p.kind === 'select') return h('select', common, [h('option', {}, [p.value || p.hint])]);
    return h('input', { ...common, type: p.kind === 'password' ? 'password' : 'text', value: p.value || undefined });
  };
  const choice = (kind, name, on) => {
    const id = `c${(ids += 1)}`;
    return h('div', { class: 'form-check' }, [h('input', { class: 'form-check-input', type: kind, id, checked: on ? '' : undefined }), h('label', { class: 'form-check-label', for: id }, [name])]);
  };
  const card = (title, body, cls) => h('div', { class: `card ${cls || ''}` }, [title ? h('div', { class: 'card-header' }, [title]) : null, body]);
  const modal = (title, body, p) => h('div', { class: 'k-layer' }, [h('div', { class: 'modal-backdrop show' }), h('div', { class: 'modal show d-block', role: 'dialog', 'aria-modal': 'true' }, [h('div', { class: 'modal-dialog modal-dialog-centered' }, [h('div', { class: 'modal-content' }, [
    h('div', { class: 'modal-header' }, [h('h5', { class: 'modal-title' }, [title]), h('button', { type: 'button', class: 'btn-close', 'aria-label': k.say('Close', '关闭') })]), h('div', { class: 'modal-body' }, [body]),
    h('div', { class: 'modal-footer' }, [h('button', { type: 'button', class: 'btn btn-secondary' }, [p.no]), h('button', { type: 'button', class: 'btn btn-primary' }, [p.yes])])])])])]);
  Object.assign(k.parts, {
    header: (page) => h('nav', { class: 'navbar k-navbar bg-body-tertiary border-bottom' }, [
      page.back ? k.icon({ icon: 'arrow-left', name: k.say('Back', '返回') }) : null, h('span', { class: 'navbar-brand mb-0 h1' }, [page.title]), h('div', { class: 'ms-auto d-flex' }, page.actions.map((one) => k.icon(one)))]),
    side: (page) => h('ul', { class: 'nav nav-pills flex-column k-side border-end', role: 'tablist' }, page.tabs.map(([shape, name], n) => h('li', { class: 'nav-item', role: 'presentation' }, [h('a', { href: '#', role: 'tab', 'aria-selected': String(n === page.at), class: `nav-link ${n === page.at ? 'active' : 'link-body-emphasis'}` }, [k.glyph(shape, 'me-2'), name])]))),
    rows: (p) => h('section', {}, [p.title ? h('h6', { class: 'text-body-secondary px-1' }, [p.title]) : null, h('div', { class: 'list-group', role: 'list' }, k.many(p.items))]),
    row: (p) => h('div', { role: 'listitem', 'aria-label': p.name, class: `list-group-item list-group-item-action d-flex align-items-center gap-3 ${p.large ? 'k-large' : ''}` }, [
      k.start(p), k.lead(p), h('div', { class: 'k-main' }, [h('div', { class: `k-name ${p.strong ? 'fw-bold' : ''}` }, [h('span', {}, [p.name]), p.tag ? h('span', { class: 'badge text-bg-secondary' }, [p.tag]) : null]), p.note ? h('div', { class: 'small text-body-secondary k-note' }, [k.fact(p.note, p.notefact)]) : null]),
      k.end({ ...p, badge: 0 }), p.badge ? k.fact(p.badge, p.fact, 'badge rounded-pill text-bg-danger') : null]),
    form: (p) => h('div', { class: 'card card-body k-fields' }, k.many(p.fields)),
    field: (p) => {
      const id = `f${(ids += 1)}`;
      return h('div', {}, [h('label', { class: 'form-label', for: id }, [p.name]), control(p, id)]);
    },
    checks: (p) => card(p.name, h('div', { class: 'card-body' }, p.items.map((one) => choice('checkbox', one.name, one.on)))),
    radios: (p) => card(p.name, h('div', { class: 'card-body', role: 'radiogroup', 'aria-label': p.name }, p.names.map((name, n) => choice('radio', name, n === p.at)))),
    chips: (p) => k.titled(p.name, h('div', { class: 'd-flex flex-wrap gap-2' }, p.names.map((name, n) => h('button', { type: 'button', class: `btn btn-sm rounded-pill ${n === p.at ? 'btn-primary' : 'btn-outline-secondary'}` }, [name])))),
    tabs: (p) => h('ul', { class: 'nav nav-tabs', role: 'tablist' }, p.names.map((name, n) => h('li', { class: 'nav-item', role: 'presentation' }, [h('button', { type: 'button', role: 'tab', 'aria-selected': String(n === p.at), class: `nav-link ${n === p.at ? 'active' : ''}` }, [name])]))),
    search: (p) => h('div', { class: 'input-group' }, [h('span', { class: 'input-group-text' }, [k.glyph('search')]), h('input', { type: 'search', class: 'form-control', placeholder: p.hint, 'aria-label': p.hint, value: p.value || undefined })]),
    cards: (p) => h('div', { role: 'list', class: 'k-cards' }, p.items.map((one) => h('div', { role: 'listitem', 'aria-label': one.name, class: 'card' }, [h('div', { class: 'card-img-top overflow-hidden' }, [k.picture('', one.hue, 'k-cover')]), h('div', { class: 'card-body p-2 d-flex flex-column gap-1' }, [
      h('div', { class: 'k-name fw-semibold' }, [h('span', {}, [one.name]), one.tag ? h('span', { class: 'badge text-bg-warning' }, [one.tag]) : null]), h('div', { class: 'small text-body-secondary' }, [one.note]), h('div', { class: 'k-line' }, [k.fact(one.price, one.fact, 'fw-bold text-danger'), one.button ? k.button(one.button, 'small') : null])])]))),
    table: (p) => h('div', { class: 'table-responsive' }, [h('table', { class: 'table table-striped table-hover m-0' }, [h('thead', {}, [h('tr', {}, p.columns.map((name) => h('th', { scope: 'col' }, [name])))]), h('tbody', {}, p.rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, [typeof cell === 'string' ? cell : k.fact(cell.words, cell.fact)])))))])]),
    pages: (p) => h('ul', { class: 'pagination justify-content-center m-0' }, [[p.back], ...[...Array(p.count).keys()].map((n) => [n + 1]), [p.on]].map(([name]) => h('li', { class: `page-item ${name === p.at ? 'active' : ''}` }, [typeof name === 'number' ? h('a', { href: '#', class: 'page-link' }, [String(name)]) : h('a', { href: '#', class: 'page-link', 'aria-label': name }, [k.glyph(name === p.back ? 'chevron-left' : 'chevron-right')])]))),
    notice: (p) => h('div', { class: 'alert alert-warning m-0 py-2', role: 'alert' }, [p.words]),
    crumbs: (p) => h('ol', { class: 'breadcrumb m-0' }, p.names.map((name, n) => h('li', { class: 'breadcrumb-item' }, [n + 1 < p.names.length ? h('a', { href: '#' }, [name]) : name]))),
    dialog: (p) => modal(p.title, h('p', { class: 'm-0' }, [p.words]), p),
    prompt: (p) => modal(p.title, h('input', { type: 'password', class: 'form-control', placeholder: p.hint, 'aria-label': p.hint }), p),
    sheet: (p) => h('div', { class: 'k-layer' }, [h('div', { class: 'offcanvas-backdrop show' }), h('div', { class: 'offcanvas offcanvas-bottom show h-auto', role: 'dialog' }, [p.title ? h('div', { class: 'offcanvas-header' }, [h('h5', { class: 'offcanvas-title' }, [p.title])]) : null, h('div', { class: 'offcanvas-body d-grid gap-2' }, [...p.names.map((name) => h('button', { type: 'button', class: 'btn btn-light' }, [name])), h('button', { type: 'button', class: 'btn btn-secondary' }, [p.cancel])])])]),
    menu: (p) => h('div', { class: 'k-layer' }, [h('ul', { class: 'dropdown-menu show k-drop', role: 'menu' }, p.names.map((name) => h('li', { role: 'presentation' }, [h('button', { type: 'button', role: 'menuitem', class: 'dropdown-item' }, [name])])))]),
    toast: (p) => h('div', { class: 'toast show k-bread', role: 'status' }, [h('div', { class: 'toast-body d-flex gap-2' }, [k.glyph('check-circle-fill', 'text-success'), h('span', {}, [p.words])])]),
  });
})();
